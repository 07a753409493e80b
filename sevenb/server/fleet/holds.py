"""Which models a request holds: from the moment it asks for one until its answer has been sent, none is unloaded."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar

from starlette.types import ASGIApp, Receive, Scope, Send

Release = Callable[[], None]

_holds: ContextVar[ExitStack | None] = ContextVar("models held by this request", default=None)


@contextmanager
def holding() -> Iterator[None]:
    """Keep, until the end of the block, whatever `keep_until_answered` is told in it."""
    with ExitStack() as stack:
        token = _holds.set(stack)
        try:
            yield
        finally:
            _holds.reset(token)


def keep_until_answered(release: Release) -> None:
    """Call ``release`` once the request that is being served has its answer; at once, where there is no request."""
    if (stack := _holds.get()) is None:
        release()
    else:
        stack.callback(release)


class HoldMiddleware:
    """Lets go of a request's models when its response, a stream too, has been sent or its client is gone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with holding():
            await self._app(scope, receive, send)
