"""OpenAI's list of models: the served one, under each of its names."""

from fastapi import APIRouter

from sevenb.server.dependencies import ServiceDependency
from sevenb.server.openai_types import ModelCard, ModelList
from sevenb.server.service import ServedModel, Service

router = APIRouter(prefix="/v1/models", tags=["OpenAI"])


@router.get("")
async def list_models(service: ServiceDependency) -> ModelList:
    """What this server serves. ``max_model_len`` is how many tokens prompt and answer may have together."""
    model = await service.model(None)
    return ModelList(data=[_card(service, model, name) for name in service.names])


@router.get("/{name:path}")
async def retrieve_model(service: ServiceDependency, name: str) -> ModelCard:
    """One of them."""
    return _card(service, await service.model(name), name)


def _card(service: Service, model: ServedModel, name: str) -> ModelCard:
    return ModelCard(id=name, created=service.created, root=service.root, max_model_len=model.max_model_len)
