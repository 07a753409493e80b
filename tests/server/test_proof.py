"""Shapes that no grammar can promise: an answer is shown once it has passed its check, and made again if it fails."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from sevenb.engine.messages import AddRequest, RequestOutput, SequenceOutput, TokenOutput
from sevenb.engine.sampling_params import BeamSearch, SamplingParams
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.generation import Generation, Proof
from sevenb.server.service import ModelText
from tests.server.conftest import RunningServer
from tests.server.fake_server import ByteTokenizer
from tests.server.openai.test_completions_and_chat import events

# "uniqueItems" is a rule about all of the items, which no grammar can know.
UNIQUE = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}


def shape(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "shape", "schema": schema}}}


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
def test_an_answer_that_fails_twice_is_an_error_that_names_the_keyword(server: RunningServer, path: str) -> None:
    prompt = {"messages": [{"role": "user", "content": "[1, 1]"}]} if "chat" in path else {"prompt": "[1, 1]"}
    response = server.post(path, **prompt, **shape(UNIQUE))
    assert response.status_code == 400
    error = response.json()["error"]
    assert "uniqueItems" in error["message"]
    assert error["param"].startswith("response_format")


def test_a_stream_shows_nothing_of_an_answer_that_failed(server: RunningServer) -> None:
    response = server.chat("[1, 1]", stream=True, **shape(UNIQUE))
    assert response.status_code == 400  # nothing was sent yet, so the status can tell
    assert "uniqueItems" in response.json()["error"]["message"]


def test_an_answer_that_passes_comes_in_one_piece(server: RunningServer) -> None:
    chunks = events(server.chat("[1, 2]", stream=True, logprobs=True, **shape(UNIQUE)))
    texts = [chunk["choices"][0]["delta"].get("content") for chunk in chunks]
    assert [text for text in texts if text] == ["[1, 2]"]
    (records,) = [chunk["choices"][0]["logprobs"] for chunk in chunks if chunk["choices"][0]["logprobs"]]
    assert len(records["content"]) == 7


class _Script:
    """An engine client that answers the requests of each round with the next texts."""

    states = ("ready",)

    def __init__(self, *rounds: list[str]) -> None:
        self.rounds = list(rounds)
        self.requests: list[AddRequest] = []

    @asynccontextmanager
    async def submit(self, *requests: AddRequest) -> AsyncIterator[Any]:
        self.requests += requests
        yield self._outputs(requests[0], self.rounds.pop(0))

    async def _outputs(self, request: AddRequest, texts: list[str]) -> AsyncIterator[RequestOutput]:
        for index, text in enumerate(texts):
            tokens = [TokenOutput(token_id=byte) for byte in text.encode()]
            news = SequenceOutput(index=index, tokens=tokens, finish_reason="stop")
            yield RequestOutput(request_id=request.request_id, sequences=[news])


async def _in_thread(work: Callable[[], Any]) -> Any:
    return work()


@pytest.mark.parametrize("beam", [None, BeamSearch(width=2)])
def test_only_the_answer_that_failed_is_made_again_and_not_in_the_same_way(beam: BeamSearch | None) -> None:
    script, tokenizer = _Script(["good", "bad"], ["better"]), cast(Tokenizer, ByteTokenizer())
    model: Any = MagicMock(text=ModelText(tokenizer, MagicMock()), client=script, max_model_len=100, adapter=None)
    service: Any = MagicMock(in_thread=_in_thread)
    proof = Proof(lambda text: "it is bad" if text == "bad" else None, "response_format")
    params = SamplingParams(n=2, temperature=0, beam=beam)
    generation = Generation(service, model, [[1, 2]], params, parameter="prompt", proof=proof)

    outputs = asyncio.run(generation.run())

    assert [(output.index, output.text) for output in outputs] == [(0, "good"), (1, "better")]
    second = script.requests[1].params
    assert (second.n, second.beam, second.temperature > 0, second.seed is not None) == (1, None, True, True)
    assert generation.usage.completion_tokens == len("good" + "bad" + "better")
    assert generation.usage.prompt_tokens == 2


def test_an_answer_that_is_cut_off_is_shown_as_it_is(server: RunningServer) -> None:
    (choice,) = server.chat("[1, 1]", max_tokens=3, **shape(UNIQUE)).json()["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"] == "[1,"
    with pytest.raises(ValueError, match="Expecting"):
        json.loads(choice["message"]["content"])
