"""Fails when what sevenb installs takes more than so many megabytes: ``python tools/install_size.py 150``.

Counts the files of sevenb and of all that it depends on, as their wheels list them, without the bytecode pip adds.
"""

import re
import sys
from importlib.metadata import distribution
from pathlib import Path


def installed_bytes(root: str) -> dict[str, int]:
    """Bytes of ``root`` and of each distribution that it needs on this machine, without extras."""
    sizes: dict[str, int] = {}
    waiting = [root]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in sizes:
            continue
        found = distribution(name)
        paths = (Path(file.locate()) for file in found.files or () if file.suffix != ".pyc")
        sizes[name] = sum(path.stat().st_size for path in paths if path.is_file())
        for requirement in found.requires or ():
            text, _, marker = requirement.partition(";")
            if "extra" not in marker and applies(marker):
                waiting.append(re.split(r"[^\w.-]", text.strip(), maxsplit=1)[0])
    return sizes


def applies(marker: str) -> bool:
    """Whether an environment marker is true here."""
    from pip._vendor.packaging.markers import Marker

    return not marker.strip() or Marker(marker.strip()).evaluate()


if __name__ == "__main__":
    limit = float(sys.argv[1])
    sizes = installed_bytes("sevenb")
    total = sum(sizes.values()) / 1e6
    largest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    print(f"{len(sizes)} packages, {total:.0f} MB:", ", ".join(f"{n} {sizes[n] / 1e6:.0f}" for n in largest), "…")
    sys.exit(
        f"The default install takes more than {limit:.0f} MB; look for a lighter dependency." if total > limit else 0
    )
