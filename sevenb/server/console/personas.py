"""Personas: system prompts with settings, to begin chats with."""

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict

from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.folders import Name
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.running.settings import SettingsFields
from sevenb.server.dependencies import ServiceDependency

router = APIRouter(route_class=ConsoleRoute)


class NewPersonaFields(BaseModel):
    """Body of ``POST /personas``."""

    model_config = ConfigDict(strict=True)

    name: Name
    system: str = ""
    settings: SettingsFields | None = None


class PersonaFields(BaseModel):
    """Body of ``PATCH /personas/{id}``: what is left out or null stays."""

    model_config = ConfigDict(strict=True)

    name: Name | None = None
    system: str | None = None
    settings: SettingsFields | None = None


@router.get("/personas")
async def list_personas(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """All personas, by name."""
    return reply(await service.in_thread(lambda: workspace.personas.list(user.id)))


@router.post("/personas")
async def create(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, body: NewPersonaFields
) -> Response:
    """Make a persona."""
    settings = {} if body.settings is None else body.settings.stored()
    system = body.system.replace("\0", "\ufffd")
    return reply(await service.in_thread(lambda: workspace.personas.create(user.id, body.name, system, settings)), 201)


@router.patch("/personas/{persona_id}")
async def change(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, persona_id: str, body: PersonaFields
) -> Response:
    """Change what is given."""
    settings = None if body.settings is None else body.settings.stored()
    system = None if body.system is None else body.system.replace("\0", "\ufffd")
    return reply(
        await service.in_thread(
            lambda: workspace.personas.update(user.id, persona_id, name=body.name, system=system, settings=settings)
        )
    )


@router.delete("/personas/{persona_id}", status_code=204)
async def delete(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, persona_id: str) -> None:
    """Delete a persona."""
    await service.in_thread(lambda: workspace.personas.delete(user.id, persona_id))
