"""What Ollama's clients ask first: whether a server is there, its version, its models and what they can do."""

from functools import partial

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, Response

from sevenb import __version__
from sevenb.errors import InvalidRequest, ModelNotFound
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.ollama.card import ModelCard, model_card, model_facts
from sevenb.server.ollama.route import ERRORS, OllamaRoute, not_found, timestamp
from sevenb.server.ollama.types import (
    ListedModel,
    ListResponse,
    ModelDetails,
    ProcessResponse,
    RunningModel,
    ShowRequest,
    ShowResponse,
    TensorBody,
    VersionResponse,
)
from sevenb.server.service import ModelStatus, Service
from sevenb.server.streaming import json_response

OLLAMA_VERSION = "0.12.6"  # whose API this is; clients ask for a minimum (GitHub Copilot: 0.6.4)

_FOR_EVER = "2318-01-01T00:00:00Z"  # how Ollama says that a model stays
_COPILOT = "GitHubCopilotChat/"

router = APIRouter(tags=["Ollama"], route_class=OllamaRoute, responses=ERRORS)


@router.api_route("/", methods=["GET", "HEAD"], response_class=PlainTextResponse, include_in_schema=False)
async def root() -> Response:
    """What clients of Ollama read to see whether it is there; some compare the words."""
    return PlainTextResponse("Ollama is running")


@router.head("/api/version", include_in_schema=False)
@router.get("/api/version")
async def version() -> VersionResponse:
    """The version of Ollama that this API is of, and sevenb's own."""
    return VersionResponse(version=OLLAMA_VERSION, sevenb=__version__)


@router.head("/api/tags", include_in_schema=False)
@router.get("/api/tags")
async def tags(service: ServiceDependency) -> ListResponse:
    """All models that may be asked for."""
    statuses = await service.installed()
    cards = await service.in_thread(lambda: [model_card(status.root) for status in statuses])
    return ListResponse(
        models=[
            ListedModel(
                name=name,
                model=name,
                modified_at=timestamp(card.modified_at),
                size=card.size,
                digest=card.digest,
                details=_details(card, status, name),
            )
            for status, card in zip(statuses, cards, strict=True)
            for name in (*status.names, *status.adapters)
        ]
    )


@router.head("/api/ps", include_in_schema=False)
@router.get("/api/ps")
async def ps(service: ServiceDependency) -> ProcessResponse:
    """The models that are loaded."""
    statuses = await service.loaded()
    cards = await service.in_thread(lambda: [model_card(status.root) for status in statuses])
    return ProcessResponse(
        models=[
            RunningModel(
                name=status.name,
                model=status.name,
                size=status.memory or card.size,
                digest=card.digest,
                details=_details(card, status, status.name),
                expires_at=_FOR_EVER if status.expires_at is None else timestamp(status.expires_at),
                size_vram=0,
                context_length=status.max_model_len or card.context_length,
            )
            for status, card in zip(statuses, cards, strict=True)
        ]
    )


@router.post("/api/show", response_model=ShowResponse)
async def show(service: ServiceDependency, request: Request, body: ShowRequest) -> Response:
    """What a model is and can do. Nothing is loaded."""
    asked = body.model or body.name
    if not asked:
        raise InvalidRequest("model: this field is required.", "model")
    name, status = await _status(service, asked)
    card = await service.in_thread(partial(model_card, status.root))
    facts = await service.in_thread(partial(model_facts, status.root, verbose=bool(body.verbose)))
    model_info = dict(facts.metadata or {"general.architecture": card.architecture})
    if status.max_model_len is not None:
        model_info[f"{card.architecture}.context_length"] = status.max_model_len
    if "general.basename" not in model_info or request.headers.get("user-agent", "").startswith(_COPILOT):
        model_info["general.basename"] = asked  # which Copilot shows; users know the name that /api/tags lists
    context = [] if status.max_model_len is None else [f"{'num_ctx':<30} {status.max_model_len}"]
    response = ShowResponse(
        license=(status.stored.license if status.stored is not None else "") or card.license,
        modelfile=f"# Modelfile of {name}\nFROM {status.root}\n",
        parameters="\n".join(context),  # where some editors look for the length of the context
        template=facts.template,
        details=_details(card, status, name),
        model_info=model_info,
        capabilities=list(facts.capabilities),
        modified_at=timestamp(card.modified_at),
    )
    if body.verbose:
        response.tensors = [TensorBody(name=t.name, type=t.type, shape=list(t.shape)) for t in facts.tensors]
    return json_response(response)


async def _status(service: Service, asked: str) -> tuple[str, ModelStatus]:
    """The model that a name means, and what it is called."""
    try:
        name = await service.resolve(asked)
    except ModelNotFound as error:
        raise not_found(asked, error) from None
    for status in await service.installed():
        if name in (*status.names, *status.adapters):
            return name, status
    raise not_found(asked, ModelNotFound("It was removed just now."))


def _details(card: ModelCard, status: ModelStatus, name: str) -> ModelDetails:
    return ModelDetails(
        parent_model=status.name if name in status.adapters else "",
        format=card.format,
        family=card.architecture,
        families=[card.architecture],
        parameter_size=card.parameter_size,
        quantization_level=card.quantization,
    )
