"""The list of models: those this server was started with under each of their names, then the installed ones.

Its fields are OpenAI's and, beside them, Anthropic's: the clients of both ask here.
"""

from datetime import UTC, datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sevenb.errors import ModelNotFound
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.service import ModelStatus, Service

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


class ModelCard(BaseModel):
    """A model that may be asked for by this ``id``."""

    id: str
    object: Literal["model"] = "model"
    type: Literal["model"] = "model"
    display_name: str
    created: int
    created_at: datetime
    owned_by: str = "sevenb"
    root: str
    parent: str | None = Field(None, description="The model that this one, a LoRA adapter, is worn by.")
    max_model_len: int | None = Field(
        None, description="Tokens that prompt and answer may have together; null until the model was loaded once."
    )
    state: Literal["installed", "loading", "ready", "restarting", "unloading"] = Field(
        description="A model that is only installed is loaded by the first request for it."
    )


class ModelList(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelCard]
    has_more: Literal[False] = False
    first_id: str | None
    last_id: str | None


@router.get("")
async def list_models(service: ServiceDependency) -> ModelList:
    """What may be asked for, the models that this server was started with first."""
    cards = await _cards(service)
    return ModelList(data=cards, first_id=cards[0].id if cards else None, last_id=cards[-1].id if cards else None)


@router.get("/{name:path}")
async def retrieve_model(service: ServiceDependency, name: str) -> ModelCard:
    """One of them; it is not loaded for that."""
    wanted = await service.resolve(name)
    for card in await _cards(service):
        if card.id == wanted:
            return card
    raise ModelNotFound(f"The model {name!r:.200} was removed just now; /v1/models lists those that are here.")


async def _cards(service: Service) -> list[ModelCard]:
    if service.health == "loading":
        await service.model(None)  # the length of its context is not known before
    return [card for status in await service.installed() for card in _cards_of(service, status)]


def _cards_of(service: Service, status: ModelStatus) -> list[ModelCard]:
    created = service.created if status.stored is None else int(status.stored.pulled_at)

    def card(name: str, root: str, parent: str | None = None) -> ModelCard:
        return ModelCard(
            id=name,
            display_name=name,
            created=created,
            created_at=datetime.fromtimestamp(created, UTC),
            root=root,
            parent=parent,
            max_model_len=status.max_model_len,
            state=status.state,
        )

    adapters = [card(name, path, status.name) for name, path in status.adapters.items()]
    return [card(name, status.root) for name in status.names] + adapters
