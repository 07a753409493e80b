"""`Principal`: on whose behalf the server works right now, and what console routes ask about them."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, cast

from fastapi import Depends, Request

from sevenb.server.errors import HttpError
from sevenb.workspace.records import User

if TYPE_CHECKING:
    from sevenb.workspace import Workspace


@dataclass(frozen=True)
class Principal:
    """Who sent a request. ``user`` signed in or owns the key ``key_id``; both are None for the server's own keys.

    ``client`` is the name under which limits hold and the engine shares its time; ``session_id`` is a browser's.
    """

    user: User | None = None
    key_id: str | None = None
    client: str = ""
    session_id: str | None = None


NOBODY = Principal()

_current: ContextVar[Principal] = ContextVar("who sent this request", default=NOBODY)


def current_principal() -> Principal:
    """On whose behalf the running task works; tasks that it starts inherit that."""
    return _current.get()


@contextmanager
def acting(principal: Principal) -> Iterator[None]:
    """Work on behalf of somebody until the end of the block."""
    token = _current.set(principal)
    try:
        yield
    finally:
        _current.reset(token)


# -- what routes ask for -----------------------------------------------------------------------------


async def _signed_in() -> User:
    user = current_principal().user
    if user is None:
        raise HttpError(401, "You are signed out; sign in again.", "signed_out")
    return user


async def _administrator(user: Annotated[User, Depends(_signed_in)]) -> User:
    if not user.is_admin:
        raise HttpError(403, "Only administrators may do this; ask one of them.", "administrators_only")
    return user


async def _workspace(request: Request) -> Any:
    return cast(Any, request.app.state.workspace)


SignedIn = Annotated[User, Depends(_signed_in)]
Administrator = Annotated[User, Depends(_administrator)]
WorkspaceDependency = Annotated["Workspace", Depends(_workspace)]
