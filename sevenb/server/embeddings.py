"""Texts as vectors: what `/v1/embeddings`, `/v1/rerank` and Ollama's `/api/embed` share, and OpenAI's route."""

from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.backend.protocol import FloatArray
from sevenb.server.service import ServedModel, Service


@dataclass(frozen=True)
class Embedded:
    """``vectors`` [inputs, dimensions], each of length 1, and the tokens that were read for them."""

    vectors: FloatArray
    prompt_tokens: int


async def embed(
    service: Service,
    model: ServedModel,
    inputs: Sequence[str | Sequence[int]],
    *,
    dimensions: int | None = None,
    truncate: bool = False,
    parameter: str = "input",
    priority: int | None = None,
    client: str = "",
) -> Embedded:
    """The vectors of texts or token-id prompts, computed side by side with whatever else the engine does.

    ``dimensions`` keeps the first of each vector, scaled to length 1 again. With ``truncate`` an input that is too long
    loses its end; otherwise it is a `ContextOverflow` that blames ``parameter``. Raises `InvalidRequest` for an input
    without tokens and for dimensions that the model does not have.
    """
    raise NotImplementedError
