"""Fake servers that begin at once: forked from a process that has imported what they need, which takes a second each.

`multiprocessing` keeps that process; a test has one of its own for each server all the same, with its own environment.
"""

import asyncio
import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import cache
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import ensure_running
from pathlib import Path
from typing import TextIO

REPOSITORY = Path(__file__).parents[2]

# All that a start imports by and by, but for `sevenb.server.console.page`: it looks at the environment.
IMPORTED = [
    "tests.server.fake_server",
    "sevenb.server.console.routes",
    "sevenb.server.upstream.directory",
    "alembic.command",
]


class Forked:
    """A server's process, as far as tests make use of `subprocess.Popen`; ``stdout`` is what it prints."""

    def __init__(self, process: ForkServerProcess, stdout: TextIO) -> None:
        self.stdout = stdout
        self._process = process

    @property
    def pid(self) -> int:
        pid = self._process.pid
        assert pid is not None
        return pid

    def poll(self) -> int | None:
        """Its exit status if it has ended: negative for the signal that ended it."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit status once it has ended."""
        self._process.join(timeout)
        if (status := self._process.exitcode) is None:
            raise subprocess.TimeoutExpired("fake_server", timeout or 0)
        return status

    def send_signal(self, number: int) -> None:
        """Nothing happens where it has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def start(*arguments: str, **environment: str) -> Forked:
    """Start a fake server where the tests are, with their environment and more."""
    reader, writer = _context().Pipe(duplex=False)
    settings = {**os.environ, **environment}
    process = _context().Process(target=_serve, args=(writer, arguments, settings), daemon=True)
    process.start()
    writer.close()
    stdout = os.fdopen(os.dup(reader.fileno()), encoding="utf-8")
    reader.close()
    return Forked(process, stdout)


@cache
def _context() -> ForkServerContext:
    context = get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    path, folder = os.environ.get("PYTHONPATH"), Path.cwd()
    os.environ["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), *([path] if path else [])])
    os.chdir(REPOSITORY)
    try:
        ensure_running()
    finally:
        os.chdir(folder)
        del os.environ["PYTHONPATH"]
        if path is not None:
            os.environ["PYTHONPATH"] = path
    return context


def _serve(output: Connection, arguments: tuple[str, ...], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.dup2(output.fileno(), 1)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)

    from tests.server import fake_server

    asyncio.run(fake_server.main(arguments))
