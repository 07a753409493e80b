"""`Replicas`: several engines of one model that look like one; a request that one of them loses goes to another."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence

from sevenb.cluster.merging import merged_info, merged_plan, merged_progress, merged_stats
from sevenb.cluster.routing import PrefixRouter, Ticket
from sevenb.engine.client import EngineClient, RequestStream
from sevenb.engine.handle import EngineState
from sevenb.engine.messages import AddRequest, EngineReady, EngineStats, LoadPlan, LoadProgress, RequestOutput
from sevenb.errors import DeviceUnavailable, EngineDied, EngineNotReady, SevenbError, TooManyRequests

logger = logging.getLogger(__name__)

PATIENCE = 120.0  # seconds that a request waits for an engine when the one that had it died


class ReplicatedStream:
    """The news of some requests, wherever they are computed. Nothing is computed twice once a token was told."""

    def __init__(self, replicas: "Replicas", requests: tuple[AddRequest, ...]) -> None:
        self._replicas = replicas
        self._requests = requests
        self.request_ids = tuple(request.request_id for request in requests)
        self.sequences = sum(request.sequences for request in requests)
        self._stream, self._ticket = replicas._send(requests)
        self._left = False  # the stream, for another or for good
        self._waiting: asyncio.Future[tuple[RequestStream, Ticket]] | None = None  # for an engine
        self._error: SevenbError | None = None

    async def __aenter__(self) -> "ReplicatedStream":
        return self

    async def __aexit__(self, *details: object) -> None:
        await self._leave(*details)
        self._replicas._forget(self)

    async def __aiter__(self) -> AsyncIterator[RequestOutput]:
        begun = False
        while True:
            try:
                async for output in self._stream:
                    begun = True
                    yield output
                return
            except EngineDied:
                if begun:
                    raise
            await self._leave()
            self._stream, self._ticket = await self._sent_again()
            self._left = False

    def abort_sequence(self, request_id: str, index: int) -> None:
        """End one sequence; the others go on."""
        self._stream.abort_sequence(request_id, index)

    async def _sent_again(self) -> tuple[RequestStream, Ticket]:
        self._waiting = asyncio.ensure_future(self._replicas._send_again(self._requests))
        try:
            return await self._waiting
        except asyncio.CancelledError:
            if self._error is None:
                raise
            raise self._error from None
        finally:
            self._waiting = None

    def _stop_waiting(self, error: SevenbError) -> None:
        """Fail with ``error`` if it waits for an engine: none knows of it."""
        if self._waiting is not None:
            self._error = error
            self._waiting.cancel()

    async def _leave(self, *details: object) -> None:
        if self._left:  # it was given up while it waited for another engine
            return
        self._left = True
        await self._stream.__aexit__(*details)
        self._replicas._finished(self._ticket)


class Replicas:
    """An `EngineHandle` over several engines. It serves as long as one of them does."""

    def __init__(self, clients: Sequence[EngineClient], max_open_requests: int) -> None:
        """``clients`` are not started yet; ``max_open_requests`` bounds all of them together."""
        self._clients = clients
        self._router = PrefixRouter(len(clients))
        self._restarts = [0] * len(clients)
        self._max_open_requests = max_open_requests
        self._streams: set[ReplicatedStream] = set()
        self._begun = False

    # -- life ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all engines and return at once."""
        await asyncio.gather(*(client.start() for client in self._clients))

    async def wait_ready(self) -> EngineReady:
        """Return once each has loaded or failed to, later once any of them serves. Raises why none of them can.

        One that could not load where another could is begun anew, like one that dies later.
        """
        if not self._begun:
            await self._wait_for_first_loads()
        if not self._ready:
            await self._wait_for_any()
        info = self.info
        assert info is not None
        return info

    async def wait_failed(self) -> SevenbError | None:
        """Return when none of them will come back: why, or None because they were closed."""
        failures = await asyncio.gather(*(self._wait_failed(number) for number in range(len(self._clients))))
        return failures[-1] if all(failures) else None

    async def close(self) -> None:
        """Stop all engines."""
        await asyncio.gather(*(client.close() for client in self._clients))

    def _say_where(self) -> None:
        """Say it where engines fell back to the processor, as there are too few cards for all."""
        infos = [client.info for client in self._ready if client.info is not None]
        if any(info.card_bytes for info in infos) and not all(info.card_bytes for info in infos):
            beside = sum(not info.card_bytes for info in infos)
            logger.warning(
                "%d of %d engines found no card of their own and compute on the processor; lower --replicas, or name "
                "the --device.",
                beside,
                len(infos),
            )

    async def _wait_for_first_loads(self) -> None:
        waits = (client.wait_ready() for client in self._clients)
        told = await asyncio.gather(*waits, return_exceptions=True)
        failures = {number: error for number, error in enumerate(told) if isinstance(error, BaseException)}
        if len(failures) == len(self._clients):
            raise failures[0]
        for number, error in failures.items():
            if isinstance(error, DeviceUnavailable):  # somebody asked for more than there is
                raise DeviceUnavailable(f"{self._which(number)} cannot have the device that was asked for: {error}")
        if self._begun:
            return
        self._begun = True
        for number, error in failures.items():
            if (client := self._clients[number]).state == "failed":  # and not closed
                logger.error("%s could not load, which others could: %s", self._which(number), error)
                client.try_again()
        self._say_where()

    async def _wait_failed(self, number: int) -> SevenbError | None:
        failure = await self._clients[number].wait_failed()
        if failure is not None and self.state != "failed":
            logger.error(
                "%s has failed too often and is not begun again; the others serve on. At last: %s",
                self._which(number),
                failure,
            )
        return failure

    def _which(self, number: int) -> str:
        return which_engine(number, len(self._clients))

    async def _wait_for_any(self, timeout: float | None = None) -> None:
        """Raises why the last of them cannot serve, if none can; `EngineNotReady` after ``timeout`` seconds."""
        waits = {asyncio.create_task(client.wait_ready(timeout)) for client in self._clients}
        try:
            pending = waits
            while pending and not self._ready:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if not self._ready:
                await next(iter(done))
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    # -- what they tell --------------------------------------------------------------------------------

    @property
    def state(self) -> EngineState:
        """That of the one that is best off."""
        states = {client.state for client in self._clients}
        order: tuple[EngineState, ...] = ("ready", "restarting", "loading", "stopping", "failed")
        return next(state for state in order if state in states)

    @property
    def states(self) -> Sequence[EngineState]:
        """Of each engine."""
        return [client.state for client in self._clients]

    @property
    def failure(self) -> SevenbError | None:
        """Why one of them does not serve."""
        return next((client.failure for client in self._clients if client.failure is not None), None)

    @property
    def plan(self) -> LoadPlan | None:
        """What all take together, once all have said."""
        return merged_plan([client.plan for client in self._clients])

    @property
    def progress(self) -> LoadProgress | None:
        """How much all have loaded together."""
        return merged_progress([client.progress for client in self._clients])

    @property
    def info(self) -> EngineReady | None:
        """All that serve, as if they were one."""
        return merged_info([client.info for client in self._ready])

    @property
    def stats(self) -> EngineStats | None:
        """The sums of all counters, as far as there are engines: what ended has nothing in hand any more."""
        return merged_stats([client.stats for client in self._ready or self._clients])

    @property
    def clients(self) -> Sequence[EngineClient]:
        """The engines one by one."""
        return self._clients

    # -- requests --------------------------------------------------------------------------------------

    @property
    def open_requests(self) -> int:
        """Requests that were submitted and whose streams are not closed."""
        return sum(len(stream.request_ids) for stream in self._streams)

    def submit(self, *requests: AddRequest) -> ReplicatedStream:
        """Send requests to the engine that will be done with them first.

        Raises `EngineNotReady` while none serves, `TooManyRequests` when too many are open.
        """
        opened = sum(stream.sequences for stream in self._streams)
        if opened and opened + sum(request.sequences for request in requests) > self._max_open_requests:
            raise TooManyRequests(
                f"{opened} answers are open and this model takes {self._max_open_requests} at once; try again soon."
            )
        stream = ReplicatedStream(self, requests)
        self._streams.add(stream)
        return stream

    def fail_open_requests(self, error: SevenbError) -> None:
        """End every open stream with ``error``."""
        for client in self._clients:
            client.fail_open_requests(error)
        for stream in self._streams:
            stream._stop_waiting(error)

    @property
    def _ready(self) -> list[EngineClient]:
        return [client for client in self._clients if client.state == "ready"]

    def _send(self, requests: tuple[AddRequest, ...]) -> tuple[RequestStream, Ticket]:
        ready = [index for index, client in enumerate(self._clients) if client.state == "ready"]
        if not ready:
            raise EngineNotReady("No engine of this model serves at the moment; try again in a few seconds.")
        for index in ready:
            if self._clients[index].restarts != self._restarts[index]:
                self._restarts[index] = self._clients[index].restarts
                self._router.forget(index)
        first = requests[0]
        sequences = sum(request.sequences for request in requests)
        ticket = self._router.choose(first.prompt_token_ids, sequences, ready, first.adapter)
        return self._clients[ticket.engine].submit(*requests), ticket

    async def _send_again(self, requests: tuple[AddRequest, ...]) -> tuple[RequestStream, Ticket]:
        """As soon as any engine can take them."""
        while not self._ready:
            await self._wait_for_any(PATIENCE)
        return self._send(requests)

    def _finished(self, ticket: Ticket) -> None:
        self._router.finished(ticket)

    def _forget(self, stream: ReplicatedStream) -> None:
        self._streams.discard(stream)


def which_engine(number: int, count: int) -> str:
    """What people call one of several engines, of which the first has the number 0."""
    return f"Engine {number + 1} of {count}"
