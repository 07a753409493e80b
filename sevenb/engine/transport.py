"""The road between the API process and the engine process: msgspec messages over a ZeroMQ PAIR socket.

A local ``ipc://`` socket in a private folder where the system has them, else loopback TCP; to other machines TCP that
is encrypted (CurveZMQ). Commands travel one by one, reports in lists: what one step produced is one message.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import zmq
import zmq.asyncio

from sevenb.engine.messages import EngineCommand, EngineReport

_SOCKET_PATH_LIMIT = 100  # bytes; sun_path holds 108 on Linux and 104 on macOS


class ApiChannel:
    """The API process's end, for asyncio. Binds a fresh address; one channel serves one engine process.

    ``server_key`` is what an engine on another machine must know to connect; "" where none can.
    """

    def __init__(self, *, over_network: bool = False) -> None:
        self._folder: Path | None = None
        self._context = zmq.asyncio.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.setsockopt(zmq.LINGER, 0)
        # Unlimited queues: the number of open requests is bounded by the client, and dropping a command is never right.
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self.server_key = ""
        self.address = self._bind_network() if over_network else self._bind()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(list[EngineReport])

    def _bind(self) -> str:
        self._folder = Path(tempfile.mkdtemp(prefix="sevenb-"))  # mode 0700: nobody else can connect
        return bind_here(self._socket, self._folder / "engine.sock")

    def _bind_network(self) -> str:
        public, secret = zmq.curve_keypair()
        self._socket.setsockopt(zmq.CURVE_SERVER, 1)
        self._socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self.server_key = public.decode()
        return f"tcp://0.0.0.0:{self._socket.bind_to_random_port('tcp://0.0.0.0')}"

    def send(self, command: EngineCommand) -> bool:
        """Hand a command to the engine without waiting; False if no engine is connected."""
        sent = cast(asyncio.Future[None], self._socket.send(self._encoder.encode(command), zmq.NOBLOCK))
        return sent.exception() is None  # without blocking, the future is done at once

    async def receive(self) -> list[EngineReport]:
        """The next reports, in the order the engine made them."""
        reports = self._decoder.decode(await self._socket.recv())
        self._remove_folder()
        return reports

    def close(self) -> None:
        """Close the socket, drop what was not sent and remove the socket's folder."""
        self._socket.close()
        self._context.term()
        self._remove_folder()

    def _remove_folder(self) -> None:
        """Once connected the socket needs no name any more, and one that is gone outlasts no ``kill -9``."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def bind_here(socket: "zmq.Socket[Any]", path: Path) -> str:
    """Bind a socket for other processes of this machine, at ``path`` where the system has such; returns its address."""
    if os.name == "posix" and len(os.fsencode(path)) <= _SOCKET_PATH_LIMIT:
        socket.bind(f"ipc://{path}")
        return f"ipc://{path}"
    return f"tcp://127.0.0.1:{socket.bind_to_random_port('tcp://127.0.0.1')}"


class EngineChannel:
    """The engine process's end, synchronous."""

    def __init__(self, address: str, server_key: str = "") -> None:
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.PAIR)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.setsockopt(zmq.RCVHWM, 0)
        self._socket.setsockopt(zmq.LINGER, 1000)  # ms: the last reports still leave when the engine ends
        if server_key:
            public, secret = zmq.curve_keypair()
            self._socket.setsockopt(zmq.CURVE_SERVERKEY, server_key.encode())
            self._socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            self._socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
        self._socket.connect(address)
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(EngineCommand)

    def receive(self, *, wait: bool) -> list[EngineCommand]:
        """All commands that have arrived; with ``wait``, sleep until there is at least one."""
        commands: list[EngineCommand] = []
        if wait:
            commands.append(self._decoder.decode(self._socket.recv()))
        while True:
            try:
                commands.append(self._decoder.decode(self._socket.recv(zmq.NOBLOCK)))
            except zmq.Again:
                return commands

    def send(self, reports: Sequence[EngineReport]) -> None:
        """Send reports as one message; nothing is sent for an empty list."""
        if reports:
            self._socket.send(self._encoder.encode(reports))

    def close(self) -> None:
        """Send what is pending and close."""
        self._socket.close()
        self._context.term()
