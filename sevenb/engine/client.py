"""`EngineClient`: the API process's handle on the engine process, which it starts, watches and restarts."""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Literal

import msgspec

from sevenb.engine.failures import describe_exit, rebuild_error
from sevenb.engine.handle import EngineState
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
from sevenb.engine.starting import EngineProcess, EngineStarter, Launch, LocalStarter
from sevenb.engine.transport import ApiChannel
from sevenb.errors import EngineDied, EngineNotReady, SevenbError, TooManyRequests

logger = logging.getLogger(__name__)

STABLE_SECONDS = 30.0  # an engine that served this long before it died is restarted with a clean record
MAX_FAST_FAILURES = 4
LONGEST_PAUSE = 60.0  # seconds between two attempts to find room for a process
STOP_SECONDS = 3.0  # what a stopping engine gets before it is killed
PLACE_SECONDS = 5.0  # what one that is just being begun gets beyond that; in a cluster it may take minutes to find room


class RequestStream:
    """The news of some requests that belong together, in order. Leaving the ``async with`` aborts what still runs.

    A reader who is slow finds everything that piled up; that is bounded by the requests' own ``max_tokens``.
    """

    def __init__(self, client: "EngineClient", requests: Sequence[AddRequest]) -> None:
        self._client = client
        self.request_ids = tuple(request.request_id for request in requests)
        self.sequences = sum(request.sequences for request in requests)
        self._unfinished = set(self.request_ids)  # as far as the engine has told
        self._unread = len(self._unfinished)  # requests whose end the reader has not seen
        self._pending: deque[RequestOutput] = deque()
        self._news = asyncio.Event()
        self._error: SevenbError | None = None

    async def __aenter__(self) -> "RequestStream":
        return self

    async def __aexit__(self, *_: object) -> None:
        for request_id in self._unfinished:
            self._client._abort(request_id, None)
        self._client._forget(self)

    async def __aiter__(self) -> AsyncIterator[RequestOutput]:
        while self._unread:
            while self._pending:
                output = self._pending.popleft()
                self._unread -= output.finished
                yield output
            if self._error is not None:
                raise self._error
            if self._unread:
                self._news.clear()
                await self._news.wait()

    def abort_sequence(self, request_id: str, index: int) -> None:
        """End one sequence; the others go on."""
        self._client._abort(request_id, index)

    def _push(self, output: RequestOutput) -> None:
        if output.finished:
            self._unfinished.discard(output.request_id)
        self._pending.append(output)
        self._news.set()

    def _fail(self, error: SevenbError) -> None:
        self._error = error
        self._news.set()


class EngineClient:
    """Starts the engine process, carries requests to it, and brings it back when it dies.

    ``config`` is the JSON that the engine process loads from; ``starter`` begins one. ``max_open_requests`` bounds
    memory: more are refused with `TooManyRequests`. A request counts once for each of its sequences. ``keeps_trying``:
    an engine that served once and cannot be begun again, as there is no room for it, is tried again and again. ``name``
    is what the log calls it, which begins a sentence.
    """

    def __init__(
        self,
        config: bytes,
        *,
        starter: EngineStarter | None = None,
        max_open_requests: int = 1024,
        keeps_trying: bool = False,
        name: str = "The engine process",
    ) -> None:
        self._config = config
        self._starter = starter or LocalStarter()
        self._keeps_trying = keeps_trying
        self._name = name
        self._must_load = True  # at the first attempt
        self._max_open_requests = max_open_requests
        self._channel: ApiChannel | None = None
        self._process: EngineProcess | None = None
        self._starting: asyncio.Future[EngineProcess] | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self._streams: dict[str, RequestStream] = {}
        self._open_sequences = 0
        self._stopping = asyncio.Event()
        self._settled = asyncio.Event()  # set while the state is "ready" or "failed"
        self._ready_at = 0.0
        self.state: EngineState = "loading"
        self.failure: SevenbError | None = None
        self.plan: LoadPlan | None = None
        self.progress: LoadProgress | None = None
        self.info: EngineReady | None = None
        self.stats: EngineStats | None = None
        self.restarts = 0

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the engine process and return at once; `wait_ready` waits for the model."""
        await self._spawn()
        self._supervise_from(0)

    def try_again(self) -> None:
        """Begin an engine anew that could not load: from now on it is treated like one that has served and died.

        For those that load beside others of their kind, which can; a failure of all of them is final.
        """
        assert self.state == "failed"
        self._must_load = False
        self._become("restarting")
        self._supervise_from(1)

    async def wait_ready(self, timeout: float | None = None) -> EngineReady:
        """The engine's own account of itself, once it can serve.

        Raises `EngineNotReady` after ``timeout`` seconds, or the reason why the engine cannot start at all.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._settled.wait()
        except TimeoutError:
            raise EngineNotReady(self._describe_wait()) from None
        if self.state == "ready" and self.info is not None:
            return self.info
        raise self.failure or EngineNotReady("The server is shutting down; send the request to another one.")

    async def wait_failed(self) -> SevenbError | None:
        """Return when there will be no engine any more: why, or None because the client was closed."""
        assert self._supervisor is not None
        await asyncio.shield(self._supervisor)
        return self.failure if self.state == "failed" else None

    async def close(self) -> None:
        """Fail what is still open, stop the engine process and wait until it is gone."""
        had_served = self.state == "ready"
        self._begin_stopping()
        if self._channel is not None:
            self._channel.send(Shutdown(drain=False))
        if self._process is not None and not had_served:
            self._process.hang_up()  # it hears nothing else while it loads, and has nothing to save
        if self._supervisor is not None:
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await asyncio.shield(self._supervisor)
            except TimeoutError:
                if self._process is not None:
                    self._process.kill()
                await asyncio.wait({self._supervisor}, timeout=PLACE_SECONDS)
                if self._starting is not None:
                    self._starting.cancel()
                await self._supervisor

    @property
    def states(self) -> Sequence[EngineState]:
        """Of its one engine."""
        return (self.state,)

    @property
    def pid(self) -> int | None:
        """Process id of the engine that runs now."""
        return None if self._process is None else self._process.pid

    # -- requests --------------------------------------------------------------------------------------

    @property
    def open_requests(self) -> int:
        """Requests that were submitted and whose streams are not closed."""
        return len(self._streams)

    def submit(self, *requests: AddRequest) -> RequestStream:
        """Send requests to the ready engine; one stream brings the news of all. Use it as an async context manager.

        Raises `EngineNotReady` while there is no engine to take them (see `wait_ready`), `TooManyRequests` when too
        many are open; those that come together are taken in any number when no others are.
        """
        if self.state != "ready" or self._channel is None:
            raise EngineNotReady(self._describe_wait())
        stream = RequestStream(self, requests)
        if self._streams and self._open_sequences + stream.sequences > self._max_open_requests:
            raise TooManyRequests(
                f"{self._open_sequences} answers are open and this model takes {self._max_open_requests} at once; "
                "try again soon."
            )
        self._open_sequences += stream.sequences
        for request in requests:
            self._streams[request.request_id] = stream
            if not self._channel.send(request):
                stream._fail(EngineDied(_DIED))
        return stream

    def fail_open_requests(self, error: SevenbError) -> None:
        """End every open stream with ``error``."""
        for stream in self._streams.values():
            stream._fail(error)

    def _abort(self, request_id: str, index: int | None) -> None:
        if self._channel is not None:
            self._channel.send(AbortRequest(request_id=request_id, index=index))

    def _forget(self, stream: RequestStream) -> None:
        for request_id in stream.request_ids:
            self._streams.pop(request_id, None)
        self._open_sequences -= stream.sequences

    # -- the engine process ----------------------------------------------------------------------------

    async def _spawn(self) -> None:
        channel = ApiChannel(over_network=self._starter.over_network)
        launch = Launch(channel.address, msgspec.Raw(self._config), channel.server_key)
        self._starting = asyncio.ensure_future(self._starter.start(launch))
        try:
            self._process = await self._starting
        except BaseException:
            channel.close()
            raise
        finally:
            self._starting = None
        self._channel = channel
        if self._stopping.is_set():  # `close` came in the meantime, and found no process
            self._process.kill()

    def _supervise_from(self, failures: int) -> None:
        self._supervisor = asyncio.create_task(self._supervise(failures), name="engine supervisor")

    async def _supervise(self, failures: int) -> None:
        """Bring the engine back whenever it ends; it has failed so often in a row before, and so has no process now."""
        while not failures or await self._restarted(failures):
            exit_code = await self._serve_until_exit()
            if self._stopping.is_set():
                return
            served = time.monotonic() - self._ready_at if self.state == "ready" else 0.0
            failures = 1 if served >= STABLE_SECONDS else failures + 1
            is_first_load = self.info is None
            if self.failure is None:
                self.failure = EngineDied(describe_exit(self._name, exit_code))
            self.fail_open_requests(EngineDied(_DIED))
            if (is_first_load and self._must_load) or failures > MAX_FAST_FAILURES:
                self._become("failed")
                return
            logger.error("%s", self.failure)  # one that is final is told by whoever waits for it
            self._become("restarting")

    async def _restarted(self, failures: int) -> bool:
        """Whether there is a process again, after a pause that grows; else the state says why not."""
        if await self._is_stopped_within(2.0 ** (failures - 2) if failures > 1 else 0.0):
            return False
        self.failure = None
        self.restarts += 1
        logger.warning("%s is begun again (attempt %d of %d)", self._name, failures, MAX_FAST_FAILURES)
        return await self._spawn_again()

    async def _spawn_again(self) -> bool:
        """Whether there is a process again: where there is no room for one, those who wait are told."""
        pause = 1.0
        while True:
            try:
                await self._spawn()
            except (OSError, SevenbError) as error:
                self.failure = EngineDied(f"{self._name} could not be started again: {str(error).rstrip('.')}.")
            except asyncio.CancelledError:
                if self._stopping.is_set():  # `close` did it
                    return False
                raise
            else:
                self.failure = None
                return True
            if not self._keeps_trying:
                self._become("failed")
                return False
            logger.error("%s Trying again in %g s.", self.failure, pause)
            if await self._is_stopped_within(pause):
                return False
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _become(self, state: Literal["restarting", "failed"]) -> None:
        self.state = state
        if state == "failed":
            self._settled.set()
        else:
            self._settled.clear()

    async def _is_stopped_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    async def _serve_until_exit(self) -> int:
        """Take the engine's reports until its process ends; returns its exit code."""
        assert self._process is not None
        assert self._channel is not None
        receiver = asyncio.create_task(self._receive(self._channel), name="engine reports")
        exit_code = await self._process.wait()
        # What the engine sent before it ended is still worth having: an `EngineFailed`, the last tokens.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.shield(receiver)
        receiver.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiver
        self._channel.close()
        self._channel = None
        return exit_code

    async def _receive(self, channel: ApiChannel) -> None:
        while True:
            for report in await channel.receive():
                self._take(report)

    def _take(self, report: EngineReport) -> None:
        if isinstance(report, RequestOutput):
            if (stream := self._streams.get(report.request_id)) is not None:
                stream._push(report)
        elif isinstance(report, EngineStats):
            self.stats = report
        elif isinstance(report, RequestFailed):
            if (stream := self._streams.get(report.request_id)) is not None:
                stream._fail(rebuild_error(report.error, report.message, report.parameter))
        elif isinstance(report, LoadPlan):
            self.plan = report
        elif isinstance(report, LoadProgress):
            self.progress = report
        elif isinstance(report, EngineReady):
            self.info = report
            self._ready_at = time.monotonic()
            if not self._stopping.is_set():
                self.state = "ready"
                self._settled.set()
        elif isinstance(report, EngineFailed):
            self.failure = rebuild_error(report.error, report.message, None)

    def _begin_stopping(self) -> None:
        self._stopping.set()
        self.state = "stopping"
        self._settled.set()
        self.fail_open_requests(EngineNotReady("The server is shutting down; send the request again later."))

    def _describe_wait(self) -> str:
        if self.state == "restarting":
            return "The engine is restarting after a failure; try again in a few seconds."
        if self.state == "loading":
            done = f" ({self.progress.done / self.progress.total:.0%})" if self.progress and self.progress.total else ""
            return f"The model is still loading{done}; try again in a few seconds."
        return "The server is shutting down; send the request again later."


_DIED = "The engine process ended while this request was open; it is being restarted, so send the request again."
