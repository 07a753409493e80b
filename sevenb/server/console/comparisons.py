"""Comparisons: the same messages to two or three models or settings, and which answer was the better one."""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from sevenb.server.access.principal import SignedIn, WorkspaceDependency
from sevenb.server.console.answers import AnswersDependency
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.running.settings import SettingsFields
from sevenb.server.dependencies import ServiceDependency
from sevenb.workspace import NewComparisonEntry

MAX_TITLE = 200
MAX_MESSAGE = 10_000  # of a vote's message, which the table shows by its beginning

router = APIRouter(route_class=ConsoleRoute)


class EntryBody(BaseModel):
    """A column that is to be made."""

    model_config = ConfigDict(strict=True)

    label: Annotated[str, Field(min_length=1, max_length=100)]
    model: Annotated[str, Field(min_length=1, max_length=500)]
    settings: SettingsFields = Field(default_factory=SettingsFields)


class NewComparison(BaseModel):
    """Body of ``POST /comparisons``."""

    model_config = ConfigDict(strict=True)

    entries: Annotated[list[EntryBody], Field(min_length=2, max_length=3)]
    title: Annotated[str, Field(max_length=MAX_TITLE)] = ""


class ComparisonChanges(BaseModel):
    """Body of ``PATCH /comparisons/{id}``."""

    model_config = ConfigDict(strict=True)

    title: Annotated[str, Field(max_length=MAX_TITLE)]


class NewVote(BaseModel):
    """Body of ``POST /comparisons/{id}/votes``. ``answer_ids``: one an entry, null where it has no answer."""

    model_config = ConfigDict(strict=True)

    message: Annotated[str, Field(max_length=MAX_MESSAGE)]
    answer_ids: Annotated[list[str | None], Field(min_length=2, max_length=3)]
    winner: Annotated[int, Field(ge=0, le=2)] | Literal["tie", "none"]


@router.get("/comparisons")
async def comparisons(user: SignedIn, workspace: WorkspaceDependency, service: ServiceDependency) -> Response:
    """The user's comparisons, last used first."""
    return reply(await service.in_thread(lambda: workspace.comparisons.list(user.id)))


@router.post("/comparisons")
async def create(
    user: SignedIn, workspace: WorkspaceDependency, service: ServiceDependency, body: NewComparison
) -> Response:
    """Make a comparison, with a hidden chat for each of its columns."""
    entries = [NewComparisonEntry(entry.label, entry.model, entry.settings.stored()) for entry in body.entries]
    return reply(await service.in_thread(lambda: workspace.comparisons.create(user.id, entries, body.title)), 201)


@router.get("/comparisons/{comparison_id}")
async def get(
    user: SignedIn, workspace: WorkspaceDependency, service: ServiceDependency, comparison_id: str
) -> Response:
    """One comparison; its columns' messages are those of their chats."""
    return reply(await service.in_thread(lambda: workspace.comparisons.get(user.id, comparison_id)))


@router.patch("/comparisons/{comparison_id}")
async def update(
    user: SignedIn,
    workspace: WorkspaceDependency,
    service: ServiceDependency,
    comparison_id: str,
    body: ComparisonChanges,
) -> Response:
    """Rename a comparison."""
    title = body.title.strip()
    return reply(await service.in_thread(lambda: workspace.comparisons.update(user.id, comparison_id, title=title)))


@router.delete("/comparisons/{comparison_id}")
async def delete(
    user: SignedIn,
    workspace: WorkspaceDependency,
    service: ServiceDependency,
    answers: AnswersDependency,
    comparison_id: str,
) -> Response:
    """Delete a comparison with its chats, and end what is being written in them; its votes stay in the table."""
    comparison = await service.in_thread(lambda: workspace.comparisons.get(user.id, comparison_id))
    for entry in comparison.entries:
        await answers.stop_in(user.id, entry.chat_id)
    await service.in_thread(lambda: workspace.comparisons.delete(user.id, comparison_id))
    return Response(status_code=204)


@router.post("/comparisons/{comparison_id}/votes")
async def vote(
    user: SignedIn, workspace: WorkspaceDependency, service: ServiceDependency, comparison_id: str, body: NewVote
) -> Response:
    """Keep which answer was the better one; a second vote on the same answers takes the place of the first."""
    kept = await service.in_thread(
        lambda: workspace.comparisons.vote(user.id, comparison_id, body.message, body.answer_ids, body.winner)
    )
    return reply(kept, 201)


@router.get("/votes")
async def votes(user: SignedIn, workspace: WorkspaceDependency, service: ServiceDependency) -> Response:
    """All votes of the user, and what they come to."""
    return reply(await service.in_thread(lambda: workspace.comparisons.votes(user.id)))
