"""Requests and sequences as the engine would make them."""

from collections.abc import Sequence as Listed

from sevenb.engine.messages import AddRequest
from sevenb.engine.request import Request
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.sequence import Sequence


def sequence_of(prompt: Listed[int], **params: object) -> Sequence:
    """The first sequence of a request, its prompt computed."""
    message = AddRequest(
        request_id="test",
        prompt_token_ids=list(prompt),
        params=SamplingParams.from_fields({"max_tokens": None, **params}),
        stop_token_ids=[],
        arrival=0.0,
    )
    return Sequence.first_of(Request.of(message, order=0, max_model_len=10**6, entropy=0))


def append(sequence: Sequence, *tokens: int) -> None:
    for token in tokens:
        sequence.append(token)
