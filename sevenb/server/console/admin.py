"""What administrators do: accounts, everybody's usage, the audit log, and the server's settings."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from sevenb.server.access.gate import Gate
from sevenb.server.access.principal import Administrator, WorkspaceDependency
from sevenb.server.console.account import Days, first_day, flush_usage
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.session import HASHING, begin_session
from sevenb.server.dependencies import GateDependency, ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.service import Service
from sevenb.workspace import Role, User, Workspace

router = APIRouter(prefix="/admin", route_class=ConsoleRoute)

DEFAULT_MODEL = "default_model"  # among the workspace's settings


class NewUser(BaseModel):
    """Body of ``POST /admin/users``."""

    model_config = ConfigDict(strict=True)

    name: str
    password: str
    role: Role = "user"


class UserChange(BaseModel):
    """Body of ``PATCH /admin/users/{id}``: what is left out stays."""

    model_config = ConfigDict(strict=True, extra="forbid")

    name: str | None = None
    role: Role | None = None
    disabled: bool | None = None
    password: str | None = None


class ServerChange(BaseModel):
    """Body of ``PATCH /admin/server``."""

    model_config = ConfigDict(strict=True, extra="forbid")

    default_model: str | None = Field(None, max_length=500)


# -- accounts ----------------------------------------------------------------------------------------


@router.get("/users")
async def users(_: Administrator, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """All accounts."""
    return reply(await service.in_thread(workspace.users.list))


@router.post("/users")
async def create_user(
    request: Request,
    actor: Administrator,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    gate: GateDependency,
    body: NewUser,
) -> Response:
    """A new account. The first one is an administrator's, who is signed in with it and inherits what is here."""
    if actor.local:
        return await _create_first(request, service, workspace, gate, body)
    async with HASHING:
        user = await service.in_thread(lambda: workspace.users.create(body.name, body.password, body.role))
    await _note(service, workspace, actor, "user.create", user.name, role=user.role)
    return reply(user, 201)


async def _create_first(
    request: Request, service: Service, workspace: Workspace, gate: Gate, body: NewUser
) -> Response:
    if body.role != "admin":
        raise HttpError(409, "The first account is an administrator's; choose that role.", "first_is_administrator")
    async with HASHING:
        user = await service.in_thread(lambda: workspace.users.create_first(body.name, body.password))
    gate.note_account()
    await _note(service, workspace, user, "user.create", user.name, role=user.role)
    signed_in = await begin_session(request, service, workspace, gate, user)
    response = reply(user, 201)
    response.headers["set-cookie"] = signed_in.headers["set-cookie"]
    return response


@router.patch("/users/{user_id}")
async def change_user(
    request: Request,
    actor: Administrator,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    user_id: str,
    body: UserChange,
) -> Response:
    """Change an account. One that is disabled, or has a new password, is signed out everywhere."""
    if user_id == actor.id and (body.role == "user" or body.disabled or body.password is not None):
        raise HttpError(
            409,
            "This is your own account: another administrator has to disable it or change its role, and its password "
            "is changed in your settings.",
            "own_account",
        )

    def change() -> User:
        before = workspace.users.get(user_id)
        after = workspace.users.update(
            user_id, name=body.name, role=body.role, disabled=body.disabled, password=body.password
        )
        changes: dict[str, Any] = {
            field: getattr(after, field)
            for field in ("name", "role", "disabled")
            if getattr(after, field) != getattr(before, field)
        }
        if body.password is not None:
            changes["password"] = "changed"
        if changes:
            workspace.audit.record(actor.name, "user.update", before.name, **changes)
        return after

    async with HASHING:
        user = await service.in_thread(change)
    if user.disabled:
        await request.app.state.answers.stop_of(user_id)
    return reply(user)


@router.delete("/users/{user_id}")
async def delete_user(
    request: Request, actor: Administrator, service: ServiceDependency, workspace: WorkspaceDependency, user_id: str
) -> Response:
    """Delete an account with all that belongs to it."""
    if user_id == actor.id:
        raise HttpError(409, "This is your own account; another administrator has to delete it.", "own_account")

    def delete() -> None:
        user = workspace.users.get(user_id)
        workspace.users.delete(user_id)
        workspace.audit.record(actor.name, "user.delete", user.name)

    await request.app.state.answers.stop_of(user_id)
    await flush_usage(service)
    await service.in_thread(delete)
    return reply({})


# -- usage, audit, settings --------------------------------------------------------------------------


@router.get("/usage")
async def usage(
    _: Administrator, service: ServiceDependency, workspace: WorkspaceDependency, days: Days = 30
) -> Response:
    """Everybody's tokens, a row a day, user and model."""
    await flush_usage(service)
    return reply(await service.in_thread(lambda: workspace.usage.by_day(since_day=first_day(days))))


@router.get("/audit")
async def audit(
    _: Administrator,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    before: str | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """What administrators did, the newest first."""
    return reply(await service.in_thread(lambda: workspace.audit.list(before=before, limit=limit)))


@router.get("/server")
async def server(
    request: Request, _: Administrator, service: ServiceDependency, workspace: WorkspaceDependency
) -> Response:
    """The server's settings, its database and the servers behind it."""
    return reply(await _server_settings(request, service, workspace))


@router.patch("/server")
async def change_server(
    request: Request,
    actor: Administrator,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    body: ServerChange,
) -> Response:
    """Change the settings that are named."""
    if "default_model" in body.model_fields_set:
        value = body.default_model or None
        await service.in_thread(lambda: workspace.settings.set(DEFAULT_MODEL, value))
        await _note(service, workspace, actor, "settings.update", DEFAULT_MODEL, value=value)
    return reply(await _server_settings(request, service, workspace))


async def _server_settings(request: Request, service: Service, workspace: Workspace) -> dict[str, Any]:
    default_model = await service.in_thread(lambda: workspace.settings.get(DEFAULT_MODEL))
    upstreams = await request.app.state.upstreams.statuses()
    return {"default_model": default_model, "database": workspace.url, "upstreams": upstreams}


async def _note(service: Service, workspace: Workspace, actor: User, action: str, target: str, **details: Any) -> None:
    await service.in_thread(lambda: workspace.audit.record(actor.name, action, target, **details))
