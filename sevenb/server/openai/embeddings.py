"""OpenAI's route for texts as vectors."""

import base64
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from sevenb.backend.protocol import FloatArray
from sevenb.errors import InvalidRequest
from sevenb.server.access.clients import client_of
from sevenb.server.bodies import RequestBody, TokenId
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.embedding import MAX_INPUTS, embed
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai.parameters import as_list
from sevenb.server.streaming import json_response, unless_client_leaves

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=JsonRoute)


class EmbeddingRequest(RequestBody):
    """Body of ``POST /v1/embeddings``."""

    input: str | list[str] | list[TokenId] | list[list[TokenId]] = Field(
        description=f"A text, token ids, or a list of up to {MAX_INPUTS} of either."
    )
    model: str | None = Field(None, description="A name that /v1/models lists; the served model when left out.")
    encoding_format: Literal["float", "base64"] | None = Field(
        None, description="base64: float32 numbers, little-endian. float when left out."
    )
    dimensions: int | None = Field(
        None, ge=1, lt=2**31, description="Keep that many of each vector's numbers; for models trained for it."
    )
    truncate_prompt_tokens: int | None = Field(
        None,
        ge=-1,
        lt=2**31,
        description="Keep only that many tokens of each input, the first ones; -1: as many as fit. `usage` tells how "
        "many it cost.",
    )
    priority: int | None = Field(None, ge=-(2**31), lt=2**31, description="Smaller runs sooner; 0 when left out.")
    user: str | None = Field(None, description="Clients, and the users they name here, get equal shares of the engine.")


class Embedding(BaseModel):
    """One vector, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str


class EmbeddingUsage(BaseModel):
    """Tokens read, and those that were cut off where the request allowed it."""

    prompt_tokens: int
    total_tokens: int
    truncated_tokens: int | None = None


class EmbeddingList(BaseModel):
    """The vectors, in the order of the inputs."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: EmbeddingUsage


@router.post("/embeddings", response_model=EmbeddingList)
async def embeddings(service: ServiceDependency, request: Request, body: EmbeddingRequest) -> Response:
    """Texts as vectors: texts that mean the same point the same way."""
    model = await service.model(body.model)
    limit = body.truncate_prompt_tokens
    if limit == 0:
        raise InvalidRequest("truncate_prompt_tokens is 0; keep at least 1 token.", "truncate_prompt_tokens")
    embedded = await unless_client_leaves(
        request,
        embed(
            service,
            model,
            as_list(body.input),
            dimensions=body.dimensions,
            truncate=limit is not None,
            max_tokens=None if limit == -1 else limit,
            priority=body.priority,
            client=client_of(request, body.user),
        ),
    )
    usage = EmbeddingUsage(prompt_tokens=embedded.prompt_tokens, total_tokens=embedded.prompt_tokens)
    if limit is not None:
        usage.truncated_tokens = embedded.truncated_tokens
    data = [
        Embedding(
            object="embedding",
            index=index,
            embedding=_as_base64(vector) if body.encoding_format == "base64" else vector.tolist(),
        )
        for index, vector in enumerate(embedded.vectors)
    ]
    return json_response(EmbeddingList(object="list", data=data, model=body.model or model.name, usage=usage))


def _as_base64(vector: FloatArray) -> str:
    return base64.b64encode(vector.astype("<f4").tobytes()).decode()
