"""Ollama's embeddings: the route for many texts, and the older one for a single text."""

from fastapi import APIRouter, Request

from sevenb.server.access.clients import client_of
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.embedding import embed
from sevenb.server.ollama.route import ERRORS, OllamaRoute, load
from sevenb.server.ollama.types import EmbeddingsRequest, EmbeddingsResponse, EmbedRequest, EmbedResponse
from sevenb.server.streaming import unless_client_leaves

router = APIRouter(prefix="/api", tags=["Ollama"], route_class=OllamaRoute, responses=ERRORS)


@router.post("/embed")
async def embed_texts(service: ServiceDependency, request: Request, body: EmbedRequest) -> EmbedResponse:
    """Vectors of texts. One that is too long loses its end, unless ``truncate`` is false."""
    inputs = [body.input] if isinstance(body.input, str) else body.input or []
    loaded = await load(service, body.model, body.keep_alive)
    vectors: list[list[float]] = []
    tokens = truncated = 0
    if body.input:
        work = embed(
            service,
            loaded.model,
            inputs,
            dimensions=body.dimensions,
            truncate=body.truncate is not False,
            client=client_of(request, None),
        )
        embedded = await unless_client_leaves(request, work)
        vectors, tokens, truncated = embedded.vectors.tolist(), embedded.prompt_tokens, embedded.truncated_tokens
    return EmbedResponse(
        model=body.model,
        embeddings=vectors,
        total_duration=loaded.total_duration,
        load_duration=loaded.load_duration,
        prompt_eval_count=tokens,
        prompt_truncated_count=truncated,
    )


@router.post("/embeddings")
async def embed_text(service: ServiceDependency, request: Request, body: EmbeddingsRequest) -> EmbeddingsResponse:
    """The vector of one text; without one, the model is only loaded."""
    loaded = await load(service, body.model, body.keep_alive)
    if not body.prompt:
        return EmbeddingsResponse(embedding=[])
    client = client_of(request, None)
    work = embed(service, loaded.model, [body.prompt], truncate=True, parameter="prompt", client=client)
    embedded = await unless_client_leaves(request, work)
    return EmbeddingsResponse(embedding=embedded.vectors[0].tolist())
