"""Who may talk to the server: the API key, and the web pages that may call it."""

from collections.abc import Sequence

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from sevenb.server.access.api_keys import ApiKeys, credentials
from sevenb.server.access.clients import CLIENT
from sevenb.server.errors import HttpError, error_response, problem_of

PUBLIC_PATHS = frozenset({"/health"})
EDITOR_ORIGINS = ("app://obsidian.md",)
EDITOR_ORIGIN_PATTERN = r"vscode-webview://[a-z0-9-]+"


class ApiKeyMiddleware:
    """Let a request pass that carries one of the keys (see `credentials`); `PUBLIC_PATHS` need none."""

    def __init__(self, app: ASGIApp, keys: ApiKeys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http" or scope["path"] in PUBLIC_PATHS:
            await self._app(scope, receive, send)
            return
        for key in credentials(Headers(scope=scope)):
            if (client := self._keys.match(key)) is not None:
                await self._app({**scope, CLIENT: client}, receive, send)
                return
        error = HttpError(
            401,
            "This server needs an API key; send it as the header Authorization: Bearer KEY, or x-api-key: KEY.",
            "invalid_api_key",
        )
        await error_response(scope["path"], problem_of(error))(scope, receive, send)


def allow_origins(app: FastAPI, origins: Sequence[str]) -> None:
    """Let web pages of the editors' origins and of ``origins`` call the server, never with cookies."""
    app.add_middleware(
        CORSMiddleware,
        allow_origins=[*EDITOR_ORIGINS, *origins],
        allow_origin_regex=EDITOR_ORIGIN_PATTERN,
        allow_methods=["GET", "POST", "DELETE"],
        allow_headers=["*"],
        expose_headers=["Retry-After", "request-id"],
        allow_credentials=False,
    )
