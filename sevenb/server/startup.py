"""`QuietStartMiddleware`: a start that fails for a known reason is told once, by whoever started the server."""

from starlette.datastructures import State
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class QuietStartMiddleware:
    """Keep Starlette's traceback out of the log where ``state.startup_failure`` says in one sentence what happened."""

    def __init__(self, app: ASGIApp, state: State) -> None:
        self._app = app
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""

        async def send_quietly(message: Message) -> None:
            if message["type"] == "lifespan.startup.failed" and self._state.startup_failure is not None:
                message = {"type": message["type"], "message": ""}
            await send(message)

        await self._app(scope, receive, send_quietly if scope["type"] == "lifespan" else send)
