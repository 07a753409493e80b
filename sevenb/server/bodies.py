"""What the bodies of all dialects share: strict requests, token ids, and the account of tokens and time."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from sevenb.errors import InvalidRequest
from sevenb.model.tokenizer import Tokenizer

TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class RequestBody(BaseModel):
    """A strict request that keeps what it does not know."""

    model_config = ConfigDict(strict=True, extra="allow")


class PromptTokensDetails(BaseModel):
    """How the prompt's tokens were come by."""

    cached_tokens: int
    truncated_tokens: int | None = None  # left out of it, where the request allowed that


class Usage(BaseModel):
    """Tokens in and out."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails


class TimingsBody(BaseModel):
    """Where the time went: seconds, and the tokens of each part."""

    queue: float
    prefill: float
    decode: float
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    drafted_tokens: int  # guessed ahead by speculation
    accepted_tokens: int  # of those
    forced_tokens: int  # that a grammar left no choice about


def check_token_ids(token_ids: Iterable[int], tokenizer: Tokenizer, parameter: str) -> None:
    """Raise `InvalidRequest` for a token id that the model does not have."""
    for token_id in token_ids:
        if not 0 <= token_id < tokenizer.vocab_size:
            raise InvalidRequest(
                f"{parameter} holds the token id {token_id}, but this model's ids go from 0 to "
                f"{tokenizer.vocab_size - 1}.",
                parameter,
            )
