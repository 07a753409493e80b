"""How much one client may ask for: requests a minute, requests at once, and the size of each."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sevenb.errors import TooManyRequests
from sevenb.server.access.clients import owner_of
from sevenb.server.errors import HttpError, error_response, problem_of

MINUTE = 60.0  # seconds
MAX_CLIENTS = 10_000  # that are remembered at once; idle ones are forgotten first
MEBIBYTE = 2**20
SMALL_PATHS = frozenset(f"/console/api/{name}" for name in ("login", "logout", "setup"))  # open to everybody
SMALL_BYTES = 65_536
UNBOUND_PATHS = frozenset({"/console/api/models/files"})  # a model is as large as it is; the disk is its limit


@dataclass(frozen=True)
class Limits:
    """What each client may do; None: as much as it likes. A client is a user, a key that belongs to no user, or an
    address where neither is needed.

    ``rate`` are requests in any minute, ``concurrent`` those that are being answered at once.
    """

    rate: int | None = None
    concurrent: int | None = None
    body_bytes: int = 32 * MEBIBYTE

    @property
    def per_client(self) -> bool:
        """Whether clients have to be told apart."""
        return self.rate is not None or self.concurrent is not None


@dataclass
class _Record:
    """What one client did: when, in the last minute, and how many of its requests are open."""

    starts: deque[float] = field(default_factory=deque)
    open: int = 0


class RequestCounter:
    """Counts each client's requests, over any minute and at once."""

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock = clock
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def enter(self, client: str) -> None:
        """Count a request that begins; `leave` when it ends. Raises `TooManyRequests`, and then it does not count."""
        now = self._clock()
        record = self._records.setdefault(client, _Record())
        self._records.move_to_end(client)
        while record.starts and record.starts[0] <= now - MINUTE:
            record.starts.popleft()
        rate, concurrent = self._limits.rate, self._limits.concurrent
        if rate is not None and len(record.starts) >= rate:
            wait = record.starts[-rate] + MINUTE - now
            raise TooManyRequests(
                f"This server takes {_count(rate, 'request')} a minute from you; try again in {wait:.0f} seconds.", wait
            )
        if concurrent is not None and record.open >= concurrent:
            raise TooManyRequests(
                f"This server answers {_count(concurrent, 'request')} of yours at once; "
                "try again when one of them has ended."
            )
        if rate is not None:
            record.starts.append(now)
        record.open += 1
        self._forget_idle()

    def leave(self, client: str) -> None:
        """Note the end of a request that was let in."""
        self._records[client].open -= 1

    def _forget_idle(self) -> None:
        for client in list(islice(self._records, max(0, len(self._records) - MAX_CLIENTS))):
            if not self._records[client].open:
                del self._records[client]


class LimitMiddleware:
    """Refuse, with 429 and ``Retry-After``, the requests by which a client goes beyond its limits.

    Only POST counts, and of the console's only answers: what computes. The rest is cheap, and a page that shows the
    server's state is no client to stop.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._counter = RequestCounter(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["method"] != "POST" or not _computes(scope["path"]):
            await self._app(scope, receive, send)
            return
        client = owner_of(scope)
        try:
            self._counter.enter(client)
        except TooManyRequests as error:
            await error_response(scope["path"], problem_of(error))(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        finally:
            self._counter.leave(client)


class BodyLimitMiddleware:
    """Refuse bodies that are too large with 413: by their announced length, or as soon as they exceed it."""

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["path"] in UNBOUND_PATHS:
            await self._app(scope, receive, send)
            return
        limit = min(self._max_bytes, SMALL_BYTES) if scope["path"] in SMALL_PATHS else self._max_bytes
        announced = Headers(scope=scope).get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > limit:
            await error_response(scope["path"], problem_of(_too_large(limit)))(scope, receive, send)
            return
        received = 0

        async def receive_some() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise _too_large(limit)  # inside a route, whose error handlers tell the client
            return message

        await self._app(scope, receive_some, send)


def _too_large(limit: int) -> HttpError:
    size = f"{limit / MEBIBYTE:g} MiB" if limit >= MEBIBYTE else f"{limit / 1024:g} KiB"
    return HttpError(413, f"The body is larger than {size}; send a shorter request.", "body_too_large")


def _computes(path: str) -> bool:
    return not path.startswith("/console/") or path.endswith("/answers")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
