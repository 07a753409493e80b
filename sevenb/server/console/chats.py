"""Chats: the history of whoever is signed in, and single chats with all their messages."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import APIRouter, FastAPI, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from sevenb.errors import InvalidRequest, SevenbError
from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.answers import AnswersDependency
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.running.asking import message_of
from sevenb.server.console.running.settings import SettingsFields
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.service import Service
from sevenb.workspace import Workspace
from sevenb.workspace.chats import ChatChanges

logger = logging.getLogger(__name__)

router = APIRouter(route_class=ConsoleRoute)

MAX_TITLE = 500  # characters; the page shows fewer
UNDO_SECONDS = 7 * 86400.0  # how long a deletion can be taken back
PURGE_SECONDS = 6 * 3600.0  # how often the rest is erased


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Erase, now and then, what was deleted long ago."""
    service, workspace = cast(Service, app.state.service), cast(Workspace, app.state.workspace)

    async def purge() -> None:
        while True:
            try:
                await service.in_thread(lambda: workspace.chats.purge(UNDO_SECONDS))
            except SevenbError as error:
                logger.warning("Deleted chats could not be erased: %s", error)
            await asyncio.sleep(PURGE_SECONDS)

    task = asyncio.create_task(purge(), name="erase deleted chats")
    try:
        yield
    finally:
        task.cancel()


class NewChatFields(BaseModel):
    """Body of ``POST /chats``."""

    model_config = ConfigDict(strict=True)

    title: str = Field("", max_length=MAX_TITLE)
    model: Annotated[str, Field(max_length=500)] | None = None
    settings: SettingsFields | None = None
    folder_id: str | None = None


class ChatFields(BaseModel):
    """Body of ``PATCH /chats/{id}``: what is left out stays. An empty title is made anew from the first message."""

    model_config = ConfigDict(strict=True)

    title: str = Field("", max_length=MAX_TITLE)
    model: Annotated[str, Field(max_length=500)] | None = None
    pinned: bool = False
    folder_id: str | None = None
    leaf_id: str | None = None
    settings: SettingsFields = SettingsFields()

    def changes(self) -> ChatChanges:
        """What is to be changed."""
        changes: ChatChanges = {}
        given = self.model_fields_set
        if "title" in given:
            changes["title"] = " ".join(self.title.replace("\0", " ").split())
        if "model" in given:
            changes["model"] = self.model
        if "pinned" in given:
            changes["pinned"] = self.pinned
        if "folder_id" in given:
            changes["folder_id"] = self.folder_id
        if "leaf_id" in given:
            changes["leaf_id"] = self.leaf_id
        if "settings" in given:
            changes["settings"] = self.settings.stored()
        return changes


@router.get("/chats")
async def history(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    folder: str | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """One page of the history: pinned chats first, then the newest."""
    chats, following = await service.in_thread(
        lambda: workspace.chats.list(user.id, folder=folder or None, cursor=cursor, limit=limit)
    )
    return reply({"chats": chats, "next": following})


@router.post("/chats")
async def create(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, body: NewChatFields
) -> Response:
    """Make a chat."""
    settings = {} if body.settings is None else body.settings.stored()
    chat = await service.in_thread(
        lambda: workspace.chats.create(
            user.id,
            title=" ".join(body.title.replace("\0", " ").split()),
            model=body.model,
            settings=settings,
            folder_id=body.folder_id,
        )
    )
    return reply(chat, 201)


@router.get("/chats/{chat_id}")
async def get(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    answers: AnswersDependency,
    chat_id: str,
) -> Response:
    """A chat with all its branches; running answers as they are now."""
    return reply(answers.up_to_date(await service.in_thread(lambda: workspace.chats.get(user.id, chat_id))))


@router.patch("/chats/{chat_id}")
async def change(
    user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, chat_id: str, body: ChatFields
) -> Response:
    """Change what is given."""
    changes = body.changes()
    if not changes:
        raise InvalidRequest("There is nothing to change; send at least one field.")
    return reply(await service.in_thread(lambda: workspace.chats.update(user.id, chat_id, **changes)))


@router.delete("/chats/{chat_id}", status_code=204)
async def delete(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    answers: AnswersDependency,
    chat_id: str,
) -> None:
    """Delete a chat; what is being written in it ends, and is kept in case the deletion is taken back."""
    await answers.stop_in(user.id, chat_id)
    await service.in_thread(lambda: workspace.chats.delete(user.id, chat_id))


@router.post("/chats/{chat_id}/restore")
async def restore(user: SignedIn, service: ServiceDependency, workspace: WorkspaceDependency, chat_id: str) -> Response:
    """Take a deletion back."""
    return reply(await service.in_thread(lambda: workspace.chats.restore(user.id, chat_id)))


@router.delete("/chats/{chat_id}/messages/{message_id}", status_code=204)
async def delete_message(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    answers: AnswersDependency,
    chat_id: str,
    message_id: str,
) -> None:
    """Delete a message and all that follow it; answers among them end."""
    chat = await service.in_thread(lambda: workspace.chats.get(user.id, chat_id))
    message_of(chat, message_id)
    await answers.stop_in(user.id, chat_id, message_id)
    await service.in_thread(lambda: workspace.chats.delete_message(user.id, message_id))
