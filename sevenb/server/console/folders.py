"""Folders of chats."""

from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, StringConstraints

from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency

router = APIRouter(route_class=ConsoleRoute)

Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]


class FolderFields(BaseModel):
    """Body of ``POST /folders`` and ``PATCH /folders/{id}``."""

    model_config = ConfigDict(strict=True)

    name: Name


@router.get("/folders")
async def list_folders(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency) -> Response:
    """All folders, by name."""
    return reply(await service.in_thread(lambda: workspace.folders.list(user.id)))


@router.post("/folders")
async def create(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, body: FolderFields
) -> Response:
    """Make a folder."""
    return reply(await service.in_thread(lambda: workspace.folders.create(user.id, body.name)), 201)


@router.patch("/folders/{folder_id}")
async def rename(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, folder_id: str, body: FolderFields
) -> Response:
    """Rename a folder."""
    return reply(await service.in_thread(lambda: workspace.folders.update(user.id, folder_id, name=body.name)))


@router.delete("/folders/{folder_id}", status_code=204)
async def delete(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, folder_id: str) -> None:
    """Delete a folder; its chats stay, without one."""
    await service.in_thread(lambda: workspace.folders.delete(user.id, folder_id))
