"""Streamed answers, and clients that leave: what every streaming dialect shares."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from sevenb.server.errors import HttpError, Problem, openai_error, problem_of

SILENCE_SECONDS = 15.0  # after this long without an event a sign of life goes out, so that proxies keep the connection
STATUS_SECONDS = 1.0  # an error this early is still told by the HTTP status

T = TypeVar("T")


class ClientGone(HttpError):
    """The client closed its connection before the response was ready; nobody reads this error (499 is nginx's)."""

    def __init__(self) -> None:
        super().__init__(499, "The client closed the connection.", "client_closed_request")


class EventStream(Response):
    """Send the events a generator makes; stop the generator as soon as the client leaves.

    An error before the first event (or before `STATUS_SECONDS` have passed) propagates and becomes an ordinary HTTP
    error; a later one becomes a last event, made by ``error_event``. ``sign_of_life`` goes out when there has been no
    event for `SILENCE_SECONDS`: a comment, unless the dialect has something else for it.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncGenerator[bytes, None],
        error_event: Callable[[Problem], bytes],
        *,
        sign_of_life: bytes = b": still working\n\n",
        media_type: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no", **(headers or {})}, media_type=media_type
        )
        del self.headers["content-length"]
        self._events = events
        self._error_event = error_event
        self._sign_of_life = sign_of_life

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        with contextlib.suppress(ClientGone):
            await _until_disconnect(receive, self._send_events(send))

    async def _send_events(self, send: Send) -> None:
        started = False

        async def push(data: bytes, *, more: bool = True) -> None:
            nonlocal started
            if not started:
                started = True
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": data, "more_body": more})

        async with contextlib.aclosing(self._events) as events:
            while True:
                upcoming = asyncio.ensure_future(anext(events, None))
                try:
                    while not upcoming.done():
                        await asyncio.wait({upcoming}, timeout=SILENCE_SECONDS if started else STATUS_SECONDS)
                        if not upcoming.done():
                            await push(self._sign_of_life if started else b"")
                finally:
                    await _cancel(upcoming)
                if (error := upcoming.exception()) is not None:
                    if not started or not isinstance(error, Exception):
                        raise error
                    await push(self._error_event(problem_of(error)))
                    break
                if (event := upcoming.result()) is None:
                    break
                await push(event)
        await push(b"", more=False)


DONE = b"data: [DONE]\n\n"  # how OpenAI's streams end


def data_event(data: BaseModel) -> bytes:
    """One unnamed event with the fields of ``data`` that were set."""
    return b"data: " + data.model_dump_json(exclude_unset=True).encode() + b"\n\n"


def openai_error_event(problem: Problem) -> bytes:
    """The last event of a stream that failed."""
    return b"data: " + msgspec.json.encode(openai_error(problem)) + b"\n\n" + DONE


def json_response(data: BaseModel) -> Response:
    """A whole answer with the fields of ``data`` that were set."""
    return Response(data.model_dump_json(exclude_unset=True).encode(), media_type="application/json")


async def unless_client_leaves(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Await ``work``; cancel it and raise `ClientGone` when the client closes the connection first."""
    return await _until_disconnect(request.receive, work)


async def _until_disconnect(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.ensure_future(work)
    watcher = asyncio.ensure_future(_wait_for_disconnect(receive))
    try:
        await asyncio.wait({task, watcher}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientGone
    finally:
        await _cancel(watcher)
        await _cancel(task)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _cancel(task: "asyncio.Future[Any]") -> None:
    """Cancel a task that may be done, and wait until it is."""
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
