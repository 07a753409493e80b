"""The console's answers with a real model: streamed, held to a shape across a cut, stopped, left out of a long chat."""

from typing import Any, cast

import pytest

from tests.e2e.conftest import Program
from tests.server.conftest import RunningServer
from tests.server.console.client import Console, until_text

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string", "maxLength": 20}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
WEATHER = {
    "name": "weather",
    "description": "The weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


@pytest.fixture
def console(program: Program) -> Console:
    return Console(cast(RunningServer, program))


def test_what_is_streamed_is_what_is_kept(console: Console) -> None:
    chat = console.new_chat(settings={"temperature": 0})
    answer = console.begin(chat, "Name three colours.")
    with console.events(chat, answer, after=0) as events:
        *heard, done = events
    assert "".join(event.get("text", "") for event in heard) == done["message"]["content"]
    assert done["message"]["figures"]["completion_tokens"] > 3
    kept = console.message(chat, answer)
    assert kept == done["message"]
    following = console.answer(chat, "And one more?", answer, settings={"max_tokens": 5})
    assert following["figures"]["cached_tokens"] > 0  # what both prompts begin with


def test_json_that_was_cut_off_goes_on_and_keeps_its_shape(console: Console) -> None:
    settings: dict[str, Any] = {"temperature": 0, "json_mode": "schema", "json_schema": PERSON}
    chat = console.new_chat(settings=settings)
    cut = console.answer(chat, "Make up a person.", settings={"max_tokens": 4})
    assert (cut["finish_reason"], cut["valid"]) == ("length", False)
    console.ok("POST", f"/chats/{chat}/answers", parent_id=cut["parent_id"], continue_id=cut["id"])
    whole = console.end(chat, cut["id"])
    assert (whole["finish_reason"], whole["valid"]) == ("stop", True)
    assert whole["content"].startswith(cut["content"].rstrip())


def test_an_answer_that_has_begun_otherwise_is_not_forced_into_a_shape(console: Console) -> None:
    chat = console.new_chat(settings={"temperature": 0})
    cut = console.answer(chat, "Say hello.", settings={"max_tokens": 3})
    settings = {"json_mode": "object"}
    console.ok("POST", f"/chats/{chat}/answers", parent_id=cut["parent_id"], continue_id=cut["id"], settings=settings)
    failed = console.end(chat, cut["id"])
    assert (failed["status"], failed["content"]) == ("failed", cut["content"].rstrip())
    assert "does not keep to the shape" in failed["error"]["message"]


def test_a_tool_is_called_and_its_result_read(console: Console) -> None:
    chat = console.new_chat(settings={"temperature": 0, "tools": [WEATHER], "max_tokens": 60})
    called = console.answer(chat, "What is the weather in Paris? Use the tool.")
    assert [call["name"] for call in called["tool_calls"]] == ["weather"]
    result = {"role": "tool", "content": "18 degrees", "tool_call_id": called["tool_calls"][0]["id"]}
    begun = console.ok("POST", f"/chats/{chat}/answers", parent_id=called["id"], messages=[result])
    assert console.end(chat, begun["messages"][-1]["id"])["status"] == "complete"


def test_stop_frees_the_sequence_of_a_real_engine(console: Console, program: Program) -> None:
    chat = console.new_chat()
    answer = console.begin(chat, "Write a long story about the sea.", settings={"max_tokens": 2000})
    until_text(console, chat, answer)
    assert console.stop(chat, answer)["status"] == "stopped"
    program.until(lambda: program.gauge("sevenb_num_requests_running") == 0)


def test_the_oldest_messages_are_left_out_where_the_chat_says_so(console: Console) -> None:
    chat = console.new_chat(settings={"context_length": 120, "max_tokens": 5, "system": "Be brief."})
    first = console.answer(chat, "one two three " * 20)
    failed = console.answer(chat, "four five six " * 20, first["id"])
    assert failed["error"]["code"] == "context_length_exceeded"
    answered = console.answer(chat, None, failed["parent_id"], settings={"overflow": "drop_oldest"})
    assert answered["status"] == "complete"
    assert answered["figures"]["truncated_tokens"] > 50
    assert answered["figures"]["prompt_tokens"] < 120
