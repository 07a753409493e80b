"""The engine process: loads a model, then takes commands, steps, and reports, until it is told to stop.

Started as ``python -m sevenb.engine.process``. Its standard input is its lifeline: the first line says where to connect
and what to load, and the end of the stream (the API process is gone, however it went) ends the engine too.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from sevenb.engine.failures import request_failed
from sevenb.engine.lifeline import die_with_parent
from sevenb.engine.messages import (
    AbortRequest,
    AddRequest,
    EngineFailed,
    EngineReady,
    EngineReport,
    EngineStats,
    LoadPlan,
    LoadProgress,
    RequestFailed,
    RequestOutput,
    Shutdown,
)
from sevenb.engine.starting import Launch
from sevenb.engine.transport import EngineChannel
from sevenb.errors import DeviceLost, OutOfMemory, SevenbError

STATS_INTERVAL = 1.0  # seconds between two `EngineStats` while there is work
PROGRESS_INTERVAL = 0.05  # seconds between two `LoadProgress`
LOSS_SECONDS = 2.0  # what a step that met a loss gets to tell the clients why
END_SECONDS = 10  # what the interpreter's own end may take

ReportLoading = Callable[[LoadPlan | LoadProgress | EngineFailed], None]


class StepEngine(Protocol):
    """What the loop needs of an engine; `sevenb.engine.engine.Engine` is one."""

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        ...

    def add_request(self, request: AddRequest) -> None:
        """Queue a request. Raises `SevenbError` when it can never be served."""
        ...

    def abort(self, request_id: str, index: int | None = None) -> None:
        """End a request, or one of its sequences; an unknown one is no error."""
        ...

    def step(self) -> list[RequestOutput | RequestFailed]:
        """Compute one batch and tell the news."""
        ...

    def stats(self) -> EngineStats:
        """Counters and gauges of this moment."""
        ...

    def close(self) -> None:
        """Save what outlives the process, in no more than a few seconds."""
        ...


Loader = Callable[[bytes, ReportLoading], tuple[StepEngine, EngineReady]]


def run(load: Loader) -> int:
    """The life of an engine process; returns its exit code. ``load`` turns the launch configuration into an engine."""
    launch = msgspec.json.decode(sys.stdin.buffer.readline(), type=Launch)
    die_with_parent()
    code = serve(load, launch)
    signal.alarm(END_SECONDS)  # the interpreter's own end waits for libraries, and NCCL for ranks that are gone
    return code


def serve(load: Loader, launch: Launch) -> int:
    """Load what was launched and serve it until the API process says that it is enough; returns an exit code."""
    channel = EngineChannel(launch.address, launch.server_key)
    reporter = _LoadingReporter(channel)
    try:
        engine, ready = load(bytes(launch.config), reporter.report)
    except (SevenbError, MemoryError) as error:
        reporter.end()
        channel.send([_describe_failure(error)])
        channel.close()
        return 1
    reporter.end()
    channel.send([ready, engine.stats()])
    try:
        EngineLoop(engine, channel, own_clock=bool(launch.server_key)).run()
    except DeviceLost as error:
        channel.send([_describe_failure(error)])
        channel.close()
        return 1
    channel.close()
    engine.close()
    return 0


class EngineLoop:
    """Drain commands, step, report. Sleeps in the socket when idle, never waits for it when there is work.

    ``own_clock``: the API process may be on another machine, whose monotonic clock says nothing here.
    """

    def __init__(self, engine: StepEngine, channel: EngineChannel, *, own_clock: bool = False) -> None:
        self._engine = engine
        self._channel = channel
        self._own_clock = own_clock
        self._last_stats = time.monotonic()
        self._stopping = False

    def run(self) -> None:
        """Return after a `Shutdown`, once what it asked to drain is done."""
        while not self._stopping or self._engine.has_work:
            reports: list[EngineReport] = []
            for command in self._channel.receive(wait=not self._engine.has_work):
                if isinstance(command, AddRequest):
                    if (refusal := self._add(command)) is not None:
                        reports.append(refusal)
                elif isinstance(command, AbortRequest):
                    self._engine.abort(command.request_id, command.index)
                elif isinstance(command, Shutdown):
                    self._stopping = True
                    if not command.drain:
                        return
            if self._engine.has_work:
                reports.extend(self._engine.step())
            if not self._engine.has_work or time.monotonic() - self._last_stats >= STATS_INTERVAL:
                self._last_stats = time.monotonic()
                reports.append(self._engine.stats())
            self._channel.send(reports)

    def _add(self, request: AddRequest) -> RequestFailed | None:
        if self._own_clock:
            request = msgspec.structs.replace(request, arrival=time.monotonic())
        try:
            self._engine.add_request(request)
        except SevenbError as error:
            return request_failed(request.request_id, error)
        return None


def _describe_failure(error: SevenbError | MemoryError) -> EngineFailed:
    if isinstance(error, SevenbError):
        return EngineFailed(error=type(error).__name__, message=str(error))
    return EngineFailed(
        error=OutOfMemory.__name__,
        message="There is not enough memory to load the model; close other programs or choose a smaller model.",
    )


class _LoadingReporter:
    """Sends the news while a model is loaded, progress not too often; from any thread, for a channel belongs to one."""

    def __init__(self, channel: EngineChannel) -> None:
        self._channel = channel
        self._lock = threading.Lock()
        self._ended = False
        self._last = 0.0

    def report(self, news: LoadPlan | LoadProgress | EngineFailed) -> None:
        """Send it; nothing once loading has ended."""
        with self._lock:
            if self._ended:
                return
            if isinstance(news, LoadProgress):
                now = time.monotonic()
                if news.done < news.total and now - self._last < PROGRESS_INTERVAL:
                    return
                self._last = now
            self._channel.send([news])

    def end(self) -> None:
        """From now on the channel is the caller's alone."""
        with self._lock:
            self._ended = True


def load_configured_engine(config: bytes, report: ReportLoading) -> tuple[StepEngine, EngineReady]:
    """The real thing, from an `EngineConfig` as JSON."""
    from sevenb.engine.engine_config import EngineConfig
    from sevenb.engine.loader import load_engine

    def end_soon(loss: SevenbError) -> None:
        """End this process where no step notices a loss: there is none, or it waits for a rank that is gone."""
        try:
            report(_describe_failure(loss))
            time.sleep(LOSS_SECONDS)
        finally:
            os._exit(1)

    return load_engine(msgspec.json.decode(config, type=EngineConfig), report, on_loss=end_soon)


if __name__ == "__main__":
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(run(load_configured_engine))
