"""What stands between the world and the routes: the gate, and the web pages that may call the APIs."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sevenb.errors import SevenbError
from sevenb.server.access.clients import CLIENT
from sevenb.server.access.gate import CONSOLE_API, Gate
from sevenb.server.access.principal import acting
from sevenb.server.errors import error_response, problem_of

EDITOR_ORIGINS = ("app://obsidian.md",)
EDITOR_ORIGIN_PATTERN = r"vscode-webview://[a-z0-9-]+"

# What the console's API answers is for its page: no cache keeps it, no browser shows it as a page of its own.
_CONSOLE_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}


class AccessMiddleware:
    """Let a request pass that the gate admits, on behalf of whoever sent it."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"].startswith(CONSOLE_API):
            send = _with_headers(send)
        try:
            principal = await self._gate.admit(scope)
        except SevenbError as error:
            await error_response(scope["path"], problem_of(error))(scope, receive, send)
            return
        if principal.client:
            scope[CLIENT] = principal.client
        with acting(principal):
            await self._app(scope, receive, send)


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _CONSOLE_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return send_with_headers


class _ApiOrigins(CORSMiddleware):
    """Pages of other origins may be let in to the APIs, never to the console's."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] == "http" and scope["path"].startswith("/console/"):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let web pages of the editors' origins and of ``origins`` call the server, never with cookies."""
    app.add_middleware(
        _ApiOrigins,
        allow_origins=[*EDITOR_ORIGINS, *origins],
        allow_origin_regex=EDITOR_ORIGIN_PATTERN,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Retry-After", "request-id"],
        allow_credentials=False,
    )
