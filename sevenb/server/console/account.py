"""What a user manages alone: preferences, password, signed-in devices, API keys, and a look at one's own usage."""

import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from sevenb.errors import InvalidRequest
from sevenb.server.access.clients import address_of
from sevenb.server.access.principal import SignedIn, WorkspaceDependency, current_principal
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.session import HASHING, begin_session
from sevenb.server.dependencies import GateDependency, ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.service import Service
from sevenb.workspace import User

router = APIRouter(route_class=ConsoleRoute)

Days = Annotated[int, Query(ge=1, le=3660)]

MAX_KEYS = 100  # of one user


class PreferencesChange(BaseModel):
    """Body of ``PATCH /preferences``: what is left out stays, null takes away."""

    model_config = ConfigDict(strict=True, extra="forbid")

    language: Literal["en", "zh"] | None = None
    theme: Literal["light", "dark", "system"] | None = None
    default_model: str | None = Field(None, max_length=500)
    default_settings: dict[str, Any] | None = None
    send_key: Literal["enter", "ctrl-enter"] | None = None


class PasswordChange(BaseModel):
    """Body of ``POST /password``."""

    model_config = ConfigDict(strict=True)

    old: str
    new: str


class NewKey(BaseModel):
    """Body of ``POST /keys``."""

    model_config = ConfigDict(strict=True)

    name: str = Field(min_length=1, max_length=100)
    expires_at: float | None = Field(None, allow_inf_nan=False)


@router.patch("/preferences")
async def change_preferences(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, body: PreferencesChange
) -> Response:
    """Change some preferences; answers with all."""
    changes = body.model_dump(exclude_unset=True)
    return reply(await service.in_thread(lambda: workspace.users.set_preferences(user.id, changes)))


# -- password and devices ----------------------------------------------------------------------------


@router.post("/password")
async def change_password(
    request: Request,
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    gate: GateDependency,
    body: PasswordChange,
) -> Response:
    """Change one's password. All other devices are signed out, this one gets a new session."""
    _check_account(user)
    address = address_of(request.scope)
    gate.throttle.begin(user.name, address)
    async with HASHING:
        right = await service.in_thread(lambda: workspace.users.check_password(user.id, body.old))
    if not right:
        raise HttpError(403, "The old password is wrong.", "wrong_password")
    gate.throttle.forgive(user.name, address)
    async with HASHING:
        await service.in_thread(lambda: workspace.users.set_password(user.id, body.new))
    await service.in_thread(lambda: workspace.sessions.revoke_all(user.id))
    return await begin_session(request, service, workspace, gate, user)


@router.get("/sessions")
async def sessions(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """The browsers that are signed in, this one among them."""
    current = current_principal().session_id
    found = await service.in_thread(lambda: workspace.sessions.list(user.id))
    devices = [{**asdict(session), "current": session.id == current} for session in found]
    for device in devices:
        del device["user_id"]
    return reply(devices)


@router.delete("/sessions")
async def end_other_sessions(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """Sign out everywhere but here."""
    current = current_principal().session_id
    await service.in_thread(lambda: workspace.sessions.revoke_all(user.id, but=current))
    return reply({})


@router.delete("/sessions/{session_id}")
async def end_session(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, session_id: str
) -> Response:
    """Sign one browser out."""
    await service.in_thread(lambda: workspace.sessions.revoke(user.id, session_id))
    return reply({})


# -- API keys ----------------------------------------------------------------------------------------


@router.get("/keys")
async def keys(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """One's own keys, without their secrets."""
    found = await service.in_thread(lambda: workspace.keys.list(user.id))
    return reply([_public(asdict(key)) for key in found])


@router.post("/keys")
async def create_key(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, body: NewKey
) -> Response:
    """A new key. Its secret is told in this answer and never again."""
    _check_account(user)
    name = body.name.strip()
    if not name or not name.isprintable():
        raise InvalidRequest("name: give the key a name of printable characters.", "name")
    if body.expires_at is not None and body.expires_at <= time.time():
        raise InvalidRequest("expires_at: choose a time that is still to come.", "expires_at")
    if len(await service.in_thread(lambda: workspace.keys.list(user.id))) >= MAX_KEYS:
        raise HttpError(409, f"You have {MAX_KEYS} keys; revoke one that is not needed any more.", "too_many_keys")
    secret, key = await service.in_thread(lambda: workspace.keys.create(user.id, name, body.expires_at))
    await service.in_thread(lambda: workspace.audit.record(user.name, "key.create", name, prefix=key.prefix))
    return reply({**_public(asdict(key)), "secret": secret}, 201)


@router.delete("/keys/{key_id}")
async def revoke_key(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, key_id: str
) -> Response:
    """Revoke a key: programs that use it are refused from now on."""

    def revoke() -> None:
        names = [key.name for key in workspace.keys.list(user.id) if key.id == key_id]
        workspace.keys.revoke(user.id, key_id)
        workspace.audit.record(user.name, "key.revoke", names[0] if names else key_id)

    await service.in_thread(revoke)
    return reply({})


# -- usage -------------------------------------------------------------------------------------------


@router.get("/usage")
async def usage(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, days: Days = 30
) -> Response:
    """One's own tokens, a row a day and model."""
    await flush_usage(service)
    return reply(await service.in_thread(lambda: workspace.usage.by_day(user_id=user.id, since_day=first_day(days))))


async def flush_usage(service: Service) -> None:
    """Have what was used just now counted, too."""
    if service.usage is not None:
        await service.usage.flush()


def first_day(days: int) -> str:
    """The first of the last so many days, today included (UTC)."""
    return (datetime.now(UTC).date() - timedelta(days=days - 1)).isoformat()


def _check_account(user: User) -> None:
    if user.local:
        raise HttpError(
            409, "This server has no accounts and is open to its own machine; make an account first.", "no_accounts"
        )


def _public(key: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name != "user_id"}
