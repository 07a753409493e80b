"""`Ranks`: the other ranks' processes as rank 0 sees them: started, told what to do, watched and ended."""

import logging
import shutil
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import msgspec
import torch
import zmq

from sevenb.backend.torch.parallel import ProcessGroup
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.failures import describe_exit, rebuild_error
from sevenb.engine.parallel.devices import last_word_in, meeting_in
from sevenb.engine.parallel.messages import Join, Opened, RankAnswer, RankCommand, RankFailed, RankLaunch
from sevenb.engine.transport import bind_here
from sevenb.errors import DeviceLost, SevenbError

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_COMMAND = (sys.executable, "-m", "sevenb.engine.parallel.worker")
_LOOK_INTERVAL = 100  # ms between two looks whether a rank that is waited for still lives
_LAST_WORD = 1.0  # seconds that news of a rank's end may take
_LEAVE_SECONDS = 5.0  # what leaving the group may take; NCCL may wait for ranks that are gone


class Ranks:
    """Ranks 1 to ``ranks`` - 1. To be used from one thread.

    The processes end when `close` is called, when this object is gone, and with this process, however that ends.
    """

    def __init__(
        self,
        config: EngineConfig,
        device: str,
        ranks: int,
        on_loss: Callable[[SevenbError], None] | None = None,
    ) -> None:
        """Start the processes; `meet` waits for them.

        ``on_loss`` is told from another thread why a rank has ended, which rank 0 may not notice in what it is doing.
        """
        self.ranks = ranks
        self.folder = Path(tempfile.mkdtemp(prefix="sevenb-"))  # mode 0700: nobody else can connect
        self._context = zmq.Context()
        self._sockets: list[zmq.Socket[bytes]] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._watch = _Watch(ranks, self.folder, on_loss or (lambda _: None))
        self._groups: list[ProcessGroup] = []
        self._awaited: Callable[[], object] | None = None
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(RankAnswer)
        self.close = weakref.finalize(
            self, _end, self._watch, self._processes, self._groups, self._sockets, self._context, self.folder
        )
        encoded = msgspec.Raw(msgspec.json.encode(config))
        for rank in range(1, ranks):
            address = self._bind(rank)
            launch = RankLaunch(rank, ranks, address, str(self.folder), device, encoded)
            self._processes.append(_start(launch))
            self._watch.follow(rank, self._processes[-1])

    def meet(self, device: torch.device) -> ProcessGroup:
        """Wait until every rank has its device, and meet them.

        Raises what keeps one from it, or what one ended with on the way, and `DeviceUnavailable`.
        """
        self._collect(Opened)
        self.tell(Join())
        group = ProcessGroup(0, self.ranks, meeting_in(self.folder), device, self.check)
        self._groups.append(group)
        return group

    def tell(self, command: RankCommand) -> None:
        """Tell all ranks the same; nothing is waited for."""
        message = self._encoder.encode(command)
        for socket in self._sockets:
            self._send(socket, message)

    def tell_each(self, commands: Sequence[RankCommand]) -> None:
        """Tell each rank something of its own."""
        for socket, command in zip(self._sockets, commands, strict=True):
            self._send(socket, self._encoder.encode(command))

    def ask(self, command: RankCommand, kind: type[Answer]) -> Callable[[], list[Answer]]:
        """Tell all ranks the same; the answers, in the order of ranks, come from a function that waits for them.

        It raises what a rank ended with. The next question waits for it, too.
        """
        self._settle()
        self.tell(command)
        self._awaited = cache(partial(self._collect, kind))
        return self._awaited

    def _settle(self) -> None:
        if self._awaited is not None:
            self._awaited()
            self._awaited = None

    def _collect(self, kind: type[Answer]) -> list[Answer]:
        answers = []
        for socket in self._sockets:
            answer = self._receive(socket)
            assert isinstance(answer, kind)
            answers.append(answer)
        return answers

    def check(self) -> None:
        """Raise what a rank has ended with, if one has."""
        if self._watch.lost.is_set():
            raise self._watch.reason()

    def cause(self, error: Exception) -> Exception:
        """Why rank 0 failed with ``error`` in an exchange: what another rank ended with, if one did."""
        return self._watch.reason() if self._watch.lost.wait(_LAST_WORD) else error

    def loss(self, error: Exception) -> DeviceLost:
        """What to raise when a step failed with ``error``: ranks that were left in the middle of one cannot go on."""
        cause = self.cause(error)
        if isinstance(cause, DeviceLost):
            return cause
        if cause is not error:
            return DeviceLost(f"A rank of {self.ranks} has ended: {cause}")
        return DeviceLost(
            f"Rank 0 of {self.ranks} failed in the middle of a step ({type(error).__name__}: {error}), where it "
            "cannot leave the others."
        )

    def _send(self, socket: "zmq.Socket[bytes]", message: bytes) -> None:
        self.check()
        try:
            socket.send(message, zmq.NOBLOCK)
        except zmq.Again as error:  # nobody is there any more
            raise self.loss(error) from None

    def _receive(self, socket: "zmq.Socket[bytes]") -> object:
        while not socket.poll(_LOOK_INTERVAL):
            self.check()
        return self._decoder.decode(socket.recv())

    def _bind(self, rank: int) -> str:
        socket = self._context.socket(zmq.PAIR)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
        self._sockets.append(socket)
        return bind_here(socket, self.folder / f"{rank}.sock")


class _Watch:
    """Notices the end of any rank, and says why in a sentence."""

    def __init__(self, ranks: int, folder: Path, tell: Callable[[SevenbError], None]) -> None:
        self.lost = threading.Event()
        self.closing = False
        self._ranks = ranks
        self._folder = folder
        self._tell = tell
        self._failed = RankFailed(DeviceLost.__name__, "")
        self._lock = threading.Lock()

    def follow(self, rank: int, process: "subprocess.Popen[bytes]") -> None:
        """Wait for the end of a rank in a thread of its own."""
        threading.Thread(target=self._wait, args=(rank, process), name=f"watch over rank {rank}", daemon=True).start()

    def reason(self) -> SevenbError:
        """What the first that ended failed with."""
        return rebuild_error(self._failed.error, self._failed.message, None)

    def _wait(self, rank: int, process: "subprocess.Popen[bytes]") -> None:
        exit_code = process.wait()
        with self._lock:
            if self.closing or self.lost.is_set():
                return
            self._failed = self._last_word(rank, exit_code)
            self.lost.set()
        logger.error("%s", self._failed.message)
        self._tell(self.reason())

    def _last_word(self, rank: int, exit_code: int) -> RankFailed:
        try:
            said = msgspec.json.decode(last_word_in(self._folder, rank).read_bytes(), type=RankFailed)
        except (OSError, msgspec.MsgspecError):  # it did not come to it
            who = f"Rank {rank} of {self._ranks}, one of the processes that share the model,"
            return RankFailed(DeviceLost.__name__, describe_exit(who, exit_code))
        if said.error != DeviceLost.__name__:
            return said
        return RankFailed(said.error, f"Rank {rank} of {self._ranks}: {said.message}")


def _start(launch: RankLaunch) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        _COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is rank 0's to handle
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(launch) + b"\n")
    process.stdin.flush()
    return process


def _end(
    watch: _Watch,
    processes: "list[subprocess.Popen[bytes]]",
    groups: list[ProcessGroup],
    sockets: "list[zmq.Socket[bytes]]",
    context: "zmq.Context[zmq.Socket[bytes]]",
    folder: Path,
) -> None:
    watch.closing = True
    for process in processes:
        assert process.stdin is not None
        process.stdin.close()
    for group in groups:
        # Not waited for any longer than this: a process that ends must not hang for what is gone.
        leaving = threading.Thread(target=group.close, name="leaving the ranks", daemon=True)
        leaving.start()
        leaving.join(_LEAVE_SECONDS)
    for socket in sockets:
        socket.close()
    context.term()
    for process in processes:
        try:
            process.wait(_LAST_WORD)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    shutil.rmtree(folder, ignore_errors=True)
