"""How an engine process is begun, here or elsewhere, and what its client can do to it."""

import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

ENGINE_COMMAND = (sys.executable, "-m", "sevenb.engine.process")


class Launch(msgspec.Struct, frozen=True):
    """The first that an engine hears. ``config`` is for the loader alone.

    ``server_key`` is the public key of the API process where the road leads over a network; whoever knows it may take
    the engine's place, so it is kept secret.
    """

    address: str
    config: msgspec.Raw
    server_key: str = ""


class EngineProcess(Protocol):
    """An engine that was begun."""

    @property
    def pid(self) -> int | None:
        """Its process id, on the machine it runs on."""
        ...

    async def wait(self) -> int:
        """Its exit code, once it has ended; negative: the signal that ended it."""
        ...

    def hang_up(self) -> None:
        """Let it know that nobody needs it: it ends at once, whatever it is doing."""
        ...

    def kill(self) -> None:
        """End it by force."""
        ...


class EngineStarter(Protocol):
    """Begins engines."""

    @property
    def over_network(self) -> bool:
        """Whether they may run on other machines."""
        ...

    async def start(self, launch: Launch) -> EngineProcess:
        """Begin one. Raises OSError, or a `SevenbError`, where that cannot be done; leaves none if cancelled."""
        ...


@dataclass(frozen=True)
class LocalStarter:
    """Begins engines as child processes, with ``environment`` beside this process's own."""

    command: Sequence[str] = ENGINE_COMMAND
    environment: Mapping[str, str] = field(default_factory=dict)
    over_network: bool = False

    async def start(self, launch: Launch) -> EngineProcess:
        """Begin one; its standard input is its lifeline."""
        process = await asyncio.create_subprocess_exec(
            *self.command,
            stdin=subprocess.PIPE,
            env={**os.environ, **self.environment},
            start_new_session=True,  # Ctrl-C in the terminal is the API process's to handle
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(launch) + b"\n")
        return _Child(process, process.stdin)


@dataclass(frozen=True)
class _Child:
    _process: asyncio.subprocess.Process
    _stdin: asyncio.StreamWriter

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    def hang_up(self) -> None:
        self._stdin.close()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
