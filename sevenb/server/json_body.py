"""Request bodies as strict JSON: valid UTF-8, no NaN, no bottomless nesting."""

from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
from fastapi import Request
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sevenb.errors import InvalidRequest
from sevenb.server.errors import HttpError
from sevenb.server.streaming import ClientGone


class JsonRoute(APIRoute):
    """A route that reads its body itself, before FastAPI validates it."""

    methods_with_body = frozenset({"POST"})

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler."""
        handler = super().get_route_handler()

        async def read_then_handle(request: Request) -> Response:
            if self.body_field is None:
                return await handler(request)
            return await handler(_ReadRequest(request, await read_json(request)))

        return read_then_handle


class _ReadRequest(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, request: Request, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._value = value

    async def body(self) -> bytes:
        """Anything that is not empty: FastAPI asks only whether there is a body."""
        return b"{}"

    async def json(self) -> Any:
        """The parsed body."""
        return self._value


async def read_json(request: Request) -> Any:
    """Read and parse a body. Raises `InvalidRequest`, or `HttpError` with 415."""
    # Requiring the JSON content type also keeps web pages of other origins out: a browser asks before it sends one.
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json" and not content_type.endswith("+json"):
        raise HttpError(
            415, "Send the request with the header Content-Type: application/json.", "unsupported_media_type"
        )
    body = await _read_body(request)
    if not body:
        raise InvalidRequest("The request has no body; send a JSON object.")
    try:
        return msgspec.json.decode(body)
    except msgspec.DecodeError as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}.") from None
    except UnicodeDecodeError:
        raise InvalidRequest("The body is not valid UTF-8; encode the request as UTF-8.") from None
    except RecursionError:
        raise InvalidRequest("The body nests JSON too deeply; send a flatter request.") from None


async def _read_body(request: Request) -> bytearray:
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
    except ClientDisconnect:
        raise ClientGone from None
    return body
