"""The official ``anthropic`` package against the real program and real models."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import MessageParam, ToolParam, ToolUseBlock
from pydantic import BaseModel

from tests.e2e.conftest import Program

COUNT: list[MessageParam] = [
    {"role": "user", "content": "Count from 1 to 5, digits separated by spaces, nothing else."}
]
ASK: list[MessageParam] = [{"role": "user", "content": "What is the weather in Paris right now? Use the tool."}]
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "Get the current weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
        "required": ["city"],
    },
}
GREEDY = {"temperature": 0}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def client(program: Program) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=program.url, api_key="unused", max_retries=0, timeout=120) as client:
        yield client


def test_a_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model="coder", max_tokens=20, messages=COUNT, extra_body=GREEDY)
    assert [block.to_dict() for block in message.content] == [{"type": "text", "text": "1 2 3 4 5"}]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 10
    assert message._request_id


def test_a_stream_of_text(client: anthropic.Anthropic) -> None:
    with client.messages.stream(model="coder", max_tokens=20, messages=COUNT, extra_body=GREEDY) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == "1 2 3 4 5" == stream.get_final_text()
    assert len(pieces) > 3
    assert final.stop_reason == "end_turn"
    assert final.usage.output_tokens == 10


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="coder", max_tokens=20, messages=COUNT, stop_sequences=[" 4"], extra_body=GREEDY
    )
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", " 4")


def test_an_answer_that_was_begun_goes_on(client: anthropic.Anthropic) -> None:
    begun: list[MessageParam] = [*COUNT, {"role": "assistant", "content": "1 2 3"}]
    message = client.messages.create(model="coder", max_tokens=20, messages=begun, extra_body=GREEDY)
    assert message.content[0].to_dict()["text"] == " 4 5"


@pytest.mark.parametrize(
    "choice", [{"type": "any", "disable_parallel_tool_use": True}, {"type": "tool", "name": "get_weather"}]
)
def test_a_tool_that_must_be_called_is(client: anthropic.Anthropic, choice: Any) -> None:
    message = client.messages.create(
        model="coder", max_tokens=100, messages=COUNT, tools=[WEATHER], tool_choice=choice, extra_body=GREEDY
    )
    (call,) = message.content
    assert isinstance(call, ToolUseBlock)
    assert call.name == "get_weather"
    assert isinstance(call.input["city"], str)
    assert message.stop_reason == "tool_use"


def test_no_tool_is_called_where_none_may_be(client: anthropic.Anthropic) -> None:
    message = client.messages.create(
        model="coder", max_tokens=40, messages=ASK, tools=[WEATHER], tool_choice={"type": "none"}, extra_body=GREEDY
    )
    assert {block.type for block in message.content} == {"text"}


@pytest.mark.parametrize("model", ["coder", "qwen2.5-coder:1.5b"])
def test_a_round_of_tool_use(client: anthropic.Anthropic, coder_15b: object, model: str) -> None:
    """Called of its own accord, streamed, answered, and talked about."""
    with client.messages.stream(
        model=model, max_tokens=200, messages=ASK, tools=[WEATHER], extra_body=GREEDY
    ) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        message = stream.get_final_message()
    call = message.content[-1]
    assert isinstance(call, ToolUseBlock)
    assert message.stop_reason == "tool_use"
    assert call.input["city"] == "Paris"
    assert json.loads("".join(pieces)) == call.input
    assert len(pieces) > 3
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "22 degrees and sunny"}],
    }
    history: list[MessageParam] = [*ASK, {"role": "assistant", "content": message.content}, result]
    answer = client.messages.create(
        model=model, max_tokens=60, messages=history, tools=[WEATHER], tool_choice={"type": "none"}, extra_body=GREEDY
    )
    assert "sunny" in str(answer.content[0].to_dict()["text"]).lower()


def test_an_answer_in_the_shape_of_a_class(client: anthropic.Anthropic) -> None:
    message = client.messages.parse(
        model="coder",
        max_tokens=60,
        messages=[{"role": "user", "content": "Make up a person."}],
        output_format=Person,
        extra_body=GREEDY,
    )
    assert isinstance(message.parsed_output, Person)


def test_counting_tokens(client: anthropic.Anthropic) -> None:
    bare = client.messages.count_tokens(model="coder", messages=COUNT).input_tokens
    usage = client.messages.create(model="coder", max_tokens=1, messages=COUNT, extra_body=GREEDY).usage
    assert bare == usage.input_tokens + (usage.cache_read_input_tokens or 0)
    with_system = client.messages.count_tokens(model="coder", messages=COUNT, system="Be as brief as can be, please.")
    with_tools = client.messages.count_tokens(model="coder", messages=COUNT, tools=[WEATHER])
    assert bare != with_system.input_tokens
    assert with_tools.input_tokens > bare + 50


def test_models_are_listed(client: anthropic.Anthropic) -> None:
    models = client.models.list()
    assert models.data[0].id == models.data[0].display_name == "coder"
    assert models.data[0].created_at.year >= 2025
    assert client.models.retrieve("coder").id == "coder"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nope")


def test_what_a_coding_agent_sends(client: anthropic.Anthropic) -> None:
    """System blocks with marks for the cache, thinking, metadata, beta headers: nothing of it hurts."""
    marked = {"cache_control": {"type": "ephemeral"}}
    beta: Any = client.beta  # what agents send is ahead of the package's types
    message = beta.messages.create(
        model="coder",
        max_tokens=40,
        system=[
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.0.1; cch=1f2e3;"},
            {"type": "text", "text": "You are an agent.", **marked},
            {"type": "text", "text": "Rule: be brief. " * 50, **marked},
        ],
        messages=[{"role": "user", "content": [{"type": "text", "text": "Say yes.", **marked}]}],
        tools=[{**WEATHER, **marked}],
        thinking={"type": "enabled", "budget_tokens": 1024},
        metadata={"user_id": "user_1"},
        betas=["claude-code-20250219", "interleaved-thinking-2025-05-14", "context-management-2025-06-27"],
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
        extra_body=GREEDY,
    )
    assert message.type == "message"


@pytest.mark.parametrize("stream", [False, True])
def test_errors_have_their_classes(client: anthropic.Anthropic, stream: bool) -> None:
    def create(**fields: Any) -> Any:
        return client.messages.create(**{"model": "coder", "max_tokens": 5, "messages": COUNT, **fields}, stream=stream)

    with pytest.raises(anthropic.NotFoundError, match="nope"):
        create(model="nope")
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        create(max_tokens=-1)
    with pytest.raises(anthropic.BadRequestError, match="4096"):
        create(messages=[{"role": "user", "content": "word " * 5000}])
    with pytest.raises(anthropic.BadRequestError, match="output_config"):
        create(output_config={"format": {"type": "json_schema", "schema": {"$ref": "#/nowhere"}}})
