"""Who is signed in: the session, signing in and out, and the first administrator."""

import asyncio
import contextlib
import hmac
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from sevenb import __version__
from sevenb.errors import NotFound
from sevenb.server.access.clients import address_of
from sevenb.server.access.cookies import clear_session, session_token, set_session
from sevenb.server.access.gate import Gate
from sevenb.server.access.principal import WorkspaceDependency, current_principal
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import GateDependency, ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.service import Service
from sevenb.workspace import User, Workspace

router = APIRouter(route_class=ConsoleRoute)

HASHING = asyncio.Semaphore(2)  # passwords that are checked at once: each takes a core and much memory


class Login(BaseModel):
    """Body of ``POST /login``."""

    model_config = ConfigDict(strict=True)

    name: str
    password: str


class Setup(Login):
    """Body of ``POST /setup``."""

    token: str


@router.get("/session")
async def session(
    request: Request, service: ServiceDependency, workspace: WorkspaceDependency, gate: GateDependency
) -> Response:
    """What the page needs to know first: the mode, and who is signed in."""
    user = current_principal().user
    response = reply(await session_body(service, workspace, gate, user))
    token = session_token(request.scope)
    if token is not None and user is not None and not user.local:
        set_session(response, request, token)  # it is in use: the browser keeps it for another month
    return response


async def session_body(service: Service, workspace: Workspace, gate: Gate, user: User | None) -> dict[str, Any]:
    """``Session`` of the page's contract."""
    preferences = {}
    if user is not None:
        preferences = await service.in_thread(lambda: workspace.users.preferences(user.id))
    return {"mode": await gate.mode(), "user": user, "version": __version__, "preferences": preferences}


@router.post("/login")
async def login(
    request: Request, service: ServiceDependency, workspace: WorkspaceDependency, gate: GateDependency, body: Login
) -> Response:
    """Sign in. Unknown names and wrong passwords are told alike."""
    if await gate.mode() != "accounts":
        raise HttpError(409, "There are no accounts yet.", "no_accounts")
    address = address_of(request.scope)
    gate.throttle.begin(body.name, address)
    async with HASHING:
        user = await service.in_thread(lambda: workspace.users.authenticate(body.name, body.password))
    if user is None:
        raise HttpError(401, "Name or password is wrong.", "wrong_login")
    gate.throttle.forgive(body.name, address)
    return await begin_session(request, service, workspace, gate, user)


@router.post("/logout")
async def logout(request: Request, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """Sign out: the session ends for whoever has its token."""
    response = reply({})
    await _end_session(request, service, workspace)
    clear_session(response, request)
    return response


@router.post("/setup")
async def setup(
    request: Request, service: ServiceDependency, workspace: WorkspaceDependency, gate: GateDependency, body: Setup
) -> Response:
    """Make the first administrator, with the token that the server has shown at its start."""
    if not hmac.compare_digest(body.token.encode(), gate.setup_token.encode()):
        raise HttpError(403, "This link is not valid; use the one that the server showed at its start.", "wrong_token")
    user = await service.in_thread(lambda: workspace.users.create_first(body.name, body.password))
    gate.note_account()
    await service.in_thread(lambda: workspace.audit.record(user.name, "user.create", user.name, role=user.role))
    return await begin_session(request, service, workspace, gate, user)


async def begin_session(request: Request, service: Service, workspace: Workspace, gate: Gate, user: User) -> Response:
    """Sign a user in, under a token that nobody has seen before."""
    agent = request.headers.get("user-agent", "")[:500]
    address = address_of(request.scope)
    await _end_session(request, service, workspace)
    token, _ = await service.in_thread(lambda: workspace.sessions.create(user.id, agent, address))
    response = reply(await session_body(service, workspace, gate, user))
    set_session(response, request, token)
    return response


async def _end_session(request: Request, service: Service, workspace: Workspace) -> None:
    """End the session that the browser has now, if it has one."""
    token = session_token(request.scope)
    if token is None:
        return

    def revoke() -> None:
        if (found := workspace.sessions.find(token)) is not None:
            session, user = found
            workspace.sessions.revoke(user.id, session.id)

    with contextlib.suppress(NotFound):  # it ended just now
        await service.in_thread(revoke)
