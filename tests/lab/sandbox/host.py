"""What hostile programs are let loose on: a folder, listeners, processes; and whether these are unharmed."""

import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

from sevenb.errors import SandboxUnavailable
from sevenb.lab.sandbox import program as running
from sevenb.lab.sandbox.program import _READ_PROGRAM, Limits, Outcome, run
from sevenb.lab.sandbox.supervision.layers import Layers
from sevenb.lab.sandbox.supervision.orders import Program

SECRET = "the-secret-of-the-host"
QUICK = Limits(seconds=0.7, memory=256 << 20)

ALL = Layers(True, True, True)
NONE = Layers()
NAMESPACES_ALONE = Layers(True, False, False)
LAYERS = [ALL, Layers(False, True, True), Layers(False, False, True)]
FOR_PROCESSES = LAYERS[:2]  # Landlock changes nothing for them

NOBODY = 65534

T = TypeVar("T")

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")


def every_way(ways: Sequence[Layers] = LAYERS) -> pytest.MarkDecorator:
    """Run a test under each set of layers that this system and this user have, the weaker ones too."""
    return pytest.mark.parametrize("layers", [layers for layers in ways if works(layers)], ids=str)


def python_for(user: int | None) -> str:
    """A Python that this user may run; None: who runs the tests."""
    if user is None:
        return sys.executable
    for path in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        try:
            subprocess.run([path, "-c", "import sys; assert sys.version_info >= (3, 11)"], user=user, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return path
    pytest.skip("no Python that another user could run")


def without_root(call: Callable[[], T]) -> T:
    """What ``call`` returns or raises; where root runs the tests, in a process of nobody's.

    So that programs which nothing contains can be run: root could be harmed by them.
    """
    if os.geteuid() != 0:
        return call()
    python = python_for(NOBODY)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            running.interpreter = lambda: python
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            result = (True, call())
        except BaseException as error:
            result = (False, error)
        os.write(writing, pickle.dumps(result))
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        done, result = pickle.loads(pipe.read())
    os.waitpid(child, 0)
    if not done:
        raise result
    return result


@cache
def works(layers: Layers) -> bool:
    """Whether a program can be run under these layers."""
    if sys.platform != "linux":
        return False
    try:
        return run((Program("pass"),), Limits(), layers).ended == "ok"
    except SandboxUnavailable:
        return False


class Host:
    """A folder that anybody may write to, with a secret in it, and listeners that nobody may reach."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reached: list[str] = []
        folder.chmod(0o777)
        for parent in list(folder.parents)[:3]:
            if parent.name.startswith(("pytest-", "test_")) and parent.stat().st_uid == os.getuid():
                parent.chmod(0o755)  # so that it is not its permissions that save what is beneath
        self.file = folder / "precious"
        self.file.write_text(SECRET)
        self.file.chmod(0o666)
        if os.geteuid() == 0:
            os.chown(self.file, NOBODY, NOBODY)  # so that it is not its owner that saves it either
        self._before = self._state()

    def run(self, source: str, layers: Layers, limits: Limits = QUICK, stdin: str = "") -> Outcome:
        """Let a program loose; whatever it does, the host must be as before."""
        source = f"HOST = {str(self.folder)!r}\nFILE = {str(self.file)!r}\nPARENT = {os.getpid()}\n{source}"
        program = Program(_READ_PROGRAM, stdin.encode(), source.encode())
        report = (
            without_root(lambda: run((program,), limits, NONE)) if layers == NONE else run((program,), limits, layers)
        )
        outcome = Outcome(report.ended, report.exit_code, report.output.decode(errors="replace"), report.seconds)
        self.assert_unharmed()
        assert "HARM" not in outcome.output, outcome.output
        return outcome

    def assert_unharmed(self) -> None:
        """No process is left, no file is new, gone or changed, no listener was reached."""
        assert self._state() == self._before
        assert self.reached == []
        assert leftover_processes() == []

    def _state(self) -> list[object]:
        files = [path for path in self.folder.rglob("*") if not stat.S_ISSOCK(path.lstat().st_mode)]
        told = [(str(path), path.lstat().st_mode, path.lstat().st_uid, path.read_bytes()) for path in sorted(files)]
        return [told, sorted(name for name in os.listdir("/tmp") if "hostile" in name), shared_memory()]

    @contextmanager
    def listeners(self) -> Iterator[dict[str, object]]:
        """Sockets of the host that note who comes; by name their addresses."""
        with ExitStack() as stack:
            tcp = stack.enter_context(socket.socket())
            udp = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            local, datagrams = (
                stack.enter_context(socket.socket(socket.AF_UNIX, kind))
                for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)
            )
            addresses: dict[str, object] = {}
            for name, listener in (("tcp", tcp), ("udp", udp), ("unix", local), ("unix_datagram", datagrams)):
                path = self.folder / f"{name}.socket"
                listener.bind(("127.0.0.1", 0) if "unix" not in name else str(path))
                addresses[name] = listener.getsockname()
                if "unix" in name:
                    path.chmod(0o777)
                if listener.type == socket.SOCK_STREAM:
                    listener.listen()
                listener.settimeout(0.05)
                done = threading.Event()
                thread = threading.Thread(target=self._note, args=(name, listener, done))
                thread.start()
                stack.callback(thread.join)
                stack.callback(done.set)
            yield addresses

    def _note(self, name: str, listener: socket.socket, done: threading.Event) -> None:
        while not done.is_set():
            try:
                listener.accept() if listener.type == socket.SOCK_STREAM else listener.recv(10)
                self.reached.append(name)
            except TimeoutError:
                continue


def shared_memory() -> list[str]:
    """Names in /dev/shm that a hostile program would use."""
    return [name for name in os.listdir("/dev/shm") if "hostile" in name] if os.path.isdir("/dev/shm") else []


def leftover_processes() -> list[str]:
    """Command lines of programs that outlived their run."""
    found = []
    for name in os.listdir("/proc"):
        try:
            line = Path(f"/proc/{name}/cmdline").read_bytes() if name.isdigit() else b""
        except OSError:
            continue
        if _READ_PROGRAM.encode() in line or b"hostile-program" in line:
            found.append(line.replace(b"\0", b" ").decode(errors="replace"))
    return found
