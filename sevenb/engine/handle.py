"""What a server needs of a model's engine: one process, or several behind one handle."""

from collections.abc import AsyncIterator, Sequence
from typing import Literal, Protocol

from sevenb.engine.messages import AddRequest, EngineReady, EngineStats, LoadPlan, LoadProgress, RequestOutput
from sevenb.errors import SevenbError

EngineState = Literal["loading", "ready", "restarting", "failed", "stopping"]


class OutputStream(Protocol):
    """The news of some requests that belong together, in order. Leaving the ``async with`` aborts what still runs."""

    @property
    def request_ids(self) -> tuple[str, ...]:
        """Of all its requests."""
        ...

    async def __aenter__(self) -> "OutputStream": ...

    async def __aexit__(self, *_: object) -> None: ...

    def __aiter__(self) -> AsyncIterator[RequestOutput]: ...

    def abort_sequence(self, request_id: str, index: int) -> None:
        """End one sequence; the others go on."""
        ...


class EngineHandle(Protocol):
    """Starts what computes a model's answers, carries requests there, and brings it back when it dies."""

    @property
    def state(self) -> EngineState:
        """How far it is."""
        ...

    @property
    def states(self) -> Sequence[EngineState]:
        """How far each of its engines is."""
        ...

    @property
    def failure(self) -> SevenbError | None:
        """Why it does not serve."""
        ...

    @property
    def plan(self) -> LoadPlan | None:
        """What memory it is about to take."""
        ...

    @property
    def progress(self) -> LoadProgress | None:
        """How much is loaded."""
        ...

    @property
    def info(self) -> EngineReady | None:
        """Its own account of itself."""
        ...

    @property
    def stats(self) -> EngineStats | None:
        """Its newest counters."""
        ...

    @property
    def open_requests(self) -> int:
        """Requests that were submitted and whose streams are not closed."""
        ...

    async def start(self) -> None:
        """Begin to load, and return at once."""
        ...

    async def wait_ready(self) -> EngineReady:
        """Return once it can serve. Raises why it cannot start."""
        ...

    async def wait_failed(self) -> SevenbError | None:
        """Return when it will not come back: why, or None because it was closed."""
        ...

    async def close(self) -> None:
        """Fail what is still open and wait until it is gone."""
        ...

    def submit(self, *requests: AddRequest) -> OutputStream:
        """Send requests. Raises `EngineNotReady` or `TooManyRequests`."""
        ...

    def fail_open_requests(self, error: SevenbError) -> None:
        """End every open stream with ``error``."""
        ...
