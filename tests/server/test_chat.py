"""One turn of a chat, before it reaches the engine: what is rendered, what is left out, what is counted."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast
from unittest.mock import MagicMock

import pytest

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import ContextOverflow
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.chat import ChatTurn, count_turn, open_turn
from sevenb.server.service import ModelText
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool, ToolChoice
from tests.server.fake_server import ByteTokenizer

WITH_TOOLS = (
    "{% if tools %}<tool_call>{{ tools | tojson }}{% endif %}{% for m in messages %}[{{ m.content }}]{% endfor %}"
)
WITHOUT_TOOLS = "{% for m in messages %}{{ m.role[0] }}[{{ m.content }}]{% endfor %}"
TOOL = Tool("look", "Looks.", {"type": "object", "properties": {}})


def model(template: str, max_model_len: int = 100) -> Any:
    tokenizer = cast(Tokenizer, ByteTokenizer())
    text = ModelText(tokenizer, ChatTemplate(template, tokenizer))
    return MagicMock(text=text, max_model_len=max_model_len, adapter=None)


async def _in_thread(work: Callable[[], Any]) -> Any:
    return work()


SERVICE: Any = MagicMock(in_thread=_in_thread)


def turn(*contents: str, role: str = "user", **fields: Any) -> ChatTurn:
    messages = [{"role": role, "content": content} for content in contents]
    return ChatTurn(**{"messages": messages, "params": SamplingParams(max_tokens=10), **fields})


def prompt(template: str, asked: ChatTurn, max_model_len: int = 100) -> str:
    generation = asyncio.run(open_turn(SERVICE, model(template, max_model_len), asked))
    return bytes(generation._generation.prompts[0]).decode()


def test_tools_are_part_of_the_prompt_and_of_its_count() -> None:
    plain, offered = turn("hi"), turn("hi", tools=(TOOL,))
    assert "look" in prompt(WITH_TOOLS, offered, 200)
    counts = [asyncio.run(count_turn(SERVICE, model(WITH_TOOLS), asked)) for asked in (plain, offered)]
    assert counts[0] == len("[hi]")
    assert counts[1] > counts[0] + len("look")


def test_a_model_that_may_not_call_is_not_shown_the_tools() -> None:
    assert prompt(WITH_TOOLS, turn("hi", tools=(TOOL,), tool_choice=ToolChoice("none"))) == "[hi]"


def test_a_template_that_knows_no_tools_gets_them_in_words() -> None:
    made = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be kind."},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": "a cat"},
    ]
    text = prompt(WITHOUT_TOOLS, turn(messages=messages, tools=(TOOL,)), 10_000)
    assert text.startswith("s[Be kind.\n\n")
    assert '"name": "look"' in text
    assert 'a[<tool_call>\n{"name": "look", "arguments": {}}\n</tool_call>]' in text
    assert text.endswith("u[<tool_response>\na cat\n</tool_response>]")


def test_the_last_tokens_of_a_prompt_are_kept_where_that_is_asked_for_and_reported() -> None:
    long = "x" * 200
    with pytest.raises(ContextOverflow, match=r"202.*100"):
        prompt(WITH_TOOLS, turn(long))
    generation = asyncio.run(open_turn(SERVICE, model(WITH_TOOLS), turn(long, truncate_prompt_tokens=20)))
    assert generation.prompt_tokens == 20
    assert generation.usage.prompt_tokens_details.truncated_tokens == 182
    assert len(prompt(WITH_TOOLS, turn(long, truncate_prompt_tokens=-1))) == 90


def test_the_oldest_turns_are_dropped_where_that_is_asked_for() -> None:
    messages = [
        {"role": "system", "content": "s" * 10},
        {"role": "user", "content": "a" * 30},
        {"role": "assistant", "content": "b" * 30},
        {"role": "user", "content": "c" * 30},
        {"role": "assistant", "content": "d" * 30},
        {"role": "user", "content": "e" * 5},
    ]
    assert prompt(WITH_TOOLS, turn(messages=messages, drop_oldest=True)) == (
        f"[{'s' * 10}][{'c' * 30}][{'d' * 30}][{'e' * 5}]"
    )
    with pytest.raises(ContextOverflow):
        prompt(WITH_TOOLS, turn("x" * 200, "y" * 200, drop_oldest=True))


def test_a_context_that_was_asked_for_bounds_prompt_and_answer_together() -> None:
    def generation(asked: ChatTurn) -> Any:
        return asyncio.run(open_turn(SERVICE, model(WITH_TOOLS), asked))._generation

    assert generation(turn("x" * 28, context_length=40))._params.max_tokens == 10
    assert generation(turn("x" * 33, context_length=40))._params.max_tokens == 5
    assert generation(turn("x" * 33, context_length=1000))._params.max_tokens == 10
    with pytest.raises(ContextOverflow, match=r"40 .*context holds 40.*raise the context length") as caught:
        generation(turn("x" * 38, context_length=40))
    assert caught.value.parameter == "messages"


def test_a_shape_governs_an_answer_together_with_what_was_there_before() -> None:
    shape = OutputFormat.from_schema({"type": "array", "items": {"type": "integer"}, "uniqueItems": True}, "schema")
    asked = turn(role="assistant", output=shape, continue_final_message=True, shape_begun="[1, 2")
    asked = replace(asked, messages=[{"role": "assistant", "content": "[1, 2"}])
    generation = asyncio.run(open_turn(SERVICE, model(WITHOUT_TOOLS), asked))._generation
    assert generation._params.grammar_prefix == "[1, 2"
    check = generation._proof.check
    assert check(", 3]") is None
    assert "unique" in check(", 1]")


def test_room_for_the_answer_is_left_where_the_oldest_goes() -> None:
    fields: dict[str, Any] = {"drop_oldest": True, "context_length": 60}
    assert prompt(WITH_TOOLS, turn("a" * 18, "b" * 18, **fields)) == f"[{'a' * 18}][{'b' * 18}]"
    assert prompt(WITH_TOOLS, turn("a" * 18, "b" * 18, **fields, answer_room=25)) == f"[{'b' * 18}]"
    assert prompt(WITH_TOOLS, turn("a" * 8, "b" * 18, **fields, answer_room=1000)) == f"[{'a' * 8}][{'b' * 18}]"


def test_the_oldest_goes_in_steps_so_that_prompts_of_later_turns_begin_alike() -> None:
    def first_kept(turns: int) -> str:
        contents = [chr(ord("a") + number) * 8 for number in range(turns)]
        return prompt(WITH_TOOLS, turn(*contents, drop_oldest=True, drop_in_quarters=True))[1]

    assert [first_kept(turns) for turns in range(9, 17)] == list("adddffii")
