"""What of a request's body reaches the sampler."""

import pytest

from sevenb.server.openai.chat_types import ChatCompletionRequest
from sevenb.server.openai.parameters import sampling_params
from sevenb.server.openai.types import CompletionRequest, GenerationRequest

CHAT = ChatCompletionRequest(messages=[{"role": "user", "content": "hello"}])  # type: ignore[list-item]


@pytest.mark.parametrize("body", [CHAT, CompletionRequest(prompt="hello")])
def test_speculation_is_on_unless_a_request_turns_it_off(body: GenerationRequest) -> None:
    assert sampling_params(body, max_tokens=1).speculation is True
    off = body.model_copy(update={"speculation": False})
    assert sampling_params(off, max_tokens=1).speculation is False
