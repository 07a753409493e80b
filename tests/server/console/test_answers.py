"""Answers over the console's API: asked for, kept, gone on with, refused."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.server.conftest import RunningServer, running_server
from tests.server.console.client import Console


@pytest.fixture(scope="module")
def quick() -> Iterator[Console]:
    with running_server("--workspace") as server:
        yield Console(server)


# -- the way of an answer ----------------------------------------------------------------------------


def test_an_answer_is_streamed_and_kept(quick: Console) -> None:
    chat = quick.new_chat()
    begun = quick.ok(
        "POST", f"/chats/{chat}/answers", parent_id=None, messages=[{"role": "user", "content": "Hello there"}]
    )["messages"]
    assert [(one["role"], one["status"]) for one in begun] == [("user", "complete"), ("assistant", "running")]
    with quick.events(chat, begun[1]["id"]) as events:
        *_, done = events
    assert done["message"]["content"] == "Hello there"
    assert (done["message"]["status"], done["message"]["finish_reason"]) == ("complete", "stop")
    assert done["message"]["figures"]["completion_tokens"] == len("Hello there") + 1
    assert done["chat"]["title"] == "Hello there"
    kept = quick.chat(chat)
    assert kept["messages"] == [begun[0], done["message"]]
    assert (kept["leaf_id"], kept["model"], kept["titled"]) == (begun[1]["id"], "echo", False)


def test_answering_again_makes_a_sibling_and_another_question_a_branch(quick: Console) -> None:
    chat = quick.new_chat()
    first = quick.answer(chat, "one")
    again = quick.answer(chat, None, first["parent_id"])
    edited = quick.answer(chat, "two")
    by_id = {message["id"]: message for message in quick.chat(chat)["messages"]}
    assert again["parent_id"] == first["parent_id"]
    assert by_id[edited["parent_id"]]["parent_id"] is None
    assert len(by_id) == 5
    assert quick.chat(chat)["title"] == "one"


def test_results_of_tools_are_answered(quick: Console) -> None:
    chat = quick.new_chat(settings={"tools": [{"name": "look", "parameters": {"type": "object"}}]})
    called = quick.answer(chat, '<tool_call>\n{"name": "look", "arguments": {"at": 3}}\n</tool_call>')
    assert called["finish_reason"] == "tool_calls"
    [call] = called["tool_calls"]
    assert (call["name"], call["arguments"]) == ("look", '{"at": 3}')
    result = {"role": "tool", "content": "a cat", "tool_call_id": call["id"]}
    begun = quick.ok("POST", f"/chats/{chat}/answers", parent_id=called["id"], messages=[result])["messages"]
    assert quick.end(chat, begun[-1]["id"])["content"] == "<tool_response>\na cat\n</tool_response>"


def test_files_become_part_of_the_prompt_and_stay_with_the_message(quick: Console) -> None:
    chat = quick.new_chat()
    files = [{"name": "notes.txt", "text": "remember"}]
    message = {"role": "user", "content": "Sum up.", "attachments": files}
    begun = quick.ok("POST", f"/chats/{chat}/answers", parent_id=None, messages=[message])["messages"]
    assert begun[0]["attachments"] == files
    assert quick.end(chat, begun[1]["id"])["content"] == 'File "notes.txt":\n```\nremember\n```\n\nSum up.'


def test_settings_of_the_chat_hold_and_those_of_one_answer_go_above(quick: Console) -> None:
    chat = quick.new_chat(settings={"max_tokens": 3})
    assert quick.answer(chat, "abcdefgh")["content"] == "abc"
    assert quick.answer(chat, "abcdefgh", settings={"max_tokens": 5})["content"] == "abcde"
    quick.ok("PATCH", f"/chats/{chat}", settings={"stop": ["d"]})
    assert quick.answer(chat, "abcdefgh")["content"] == "abc"


@pytest.mark.parametrize(("mode", "valid"), [("off", None), ("object", True), ("schema", False)])
def test_with_json_the_answer_is_really_read(quick: Console, mode: str, valid: bool | None) -> None:
    schema = {"type": "object", "required": ["name"]}
    settings = {"json_mode": mode, "json_schema": schema}
    assert quick.answer(quick.new_chat(), '{"age": 3}', settings=settings)["valid"] is valid


def test_an_answer_that_was_cut_off_goes_on_in_its_place(quick: Console) -> None:
    chat = quick.new_chat()
    cut = quick.answer(chat, "abcdef", settings={"max_tokens": 3})
    assert cut["finish_reason"] == "length"
    begun = quick.ok("POST", f"/chats/{chat}/answers", parent_id=cut["parent_id"], continue_id=cut["id"])["messages"]
    assert [(one["id"], one["status"], one["content"]) for one in begun] == [(cut["id"], "running", "abc")]
    whole = quick.end(chat, cut["id"])
    assert (whole["content"], whole["status"], whole["finish_reason"]) == ("abcabc", "complete", "stop")
    assert whole["figures"]["completion_tokens"] == 3 + 4
    assert quick.message(chat, cut["id"]) == whole


# -- models and prompts that cannot be served -----------------------------------------------------------


def test_loading_a_model_is_told_and_waited_for(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--workspace", "--wait-seconds", "0.1", "--model", 'late={"load_seconds": 1.0}')
    console = Console(server)
    chat = console.new_chat(model="late")
    answer = console.begin(chat, "hi")
    with console.events(chat, answer, after=0) as events:
        heard = list(events)
    assert heard[0]["state"] == "loading"
    assert heard[-1]["message"]["content"] == "hi"


def test_a_model_that_cannot_be_loaded_fails_the_answer(start_server: Callable[..., RunningServer]) -> None:
    console = Console(start_server("--workspace", "--model", 'bad={"refusal": "It has three heads."}'))
    failed = console.answer(console.new_chat(), "hi", model="bad")
    assert (failed["status"], failed["error"]["code"]) == ("failed", "model_not_supported")
    assert "three heads" in failed["error"]["message"]


def test_a_chat_whose_model_is_gone_says_so_and_goes_on_with_another(quick: Console) -> None:
    chat = quick.new_chat(model="gone:7b")
    message = {"role": "user", "content": "hi"}
    error = quick.error("POST", f"/chats/{chat}/answers", parent_id=None, messages=[message])
    assert (error["status"], error["code"], error["param"]) == (404, "model_not_found", "model")
    assert quick.chat(chat)["messages"] == []
    assert quick.answer(chat, "hi", model="echo")["content"] == "hi"


def test_a_chat_that_is_too_long_says_so_or_leaves_the_oldest_out(quick: Console) -> None:
    chat = quick.new_chat(settings={"context_length": 50})
    failed = quick.answer(chat, "x" * 60)
    assert (failed["status"], failed["error"]["code"]) == ("failed", "context_length_exceeded")
    assert "50" in failed["error"]["message"]
    assert quick.answer(chat, "x" * 40)["finish_reason"] == "length"  # 10 tokens were left


@pytest.mark.parametrize(
    ("body", "status", "parameter"),
    [
        ({"parent_id": None}, 400, "messages"),
        ({"parent_id": None, "messages": [{"role": "assistant", "content": "x"}]}, 400, "messages[0].role"),
        ({"parent_id": None, "messages": [{"role": "user"}]}, 400, "messages[0].content"),
        ({"parent_id": "nowhere", "messages": [{"role": "user", "content": "x"}]}, 404, None),
        ({"parent_id": 3, "messages": []}, 400, "parent_id"),
        ({"parent_id": None, "continue_id": "nowhere"}, 404, None),
        (
            {"parent_id": None, "messages": [{"role": "user", "content": "x"}], "settings": {"top_p": 2}},
            400,
            "settings.top_p",
        ),
        ({"parent_id": None, "messages": [{"role": "user", "content": "x"}] * 300}, 400, "messages"),
    ],
)
def test_what_cannot_be_answered_is_refused_and_nothing_is_kept(
    quick: Console, body: dict[str, Any], status: int, parameter: str | None
) -> None:
    chat = quick.new_chat()
    error = quick.error("POST", f"/chats/{chat}/answers", **body)
    assert (error["status"], error["param"]) == (status, parameter)
    assert quick.chat(chat)["messages"] == []


@pytest.mark.parametrize(
    "raw", [b'{"parent_id": null, "messages": [{"role": "user", "content": "\\ud800"}]}', b"[" * 10**5, b"{", b"\xff"]
)
def test_what_is_no_text_is_refused(quick: Console, raw: bytes) -> None:
    chat = quick.new_chat()
    response = quick.http.post(f"/chats/{chat}/answers", content=raw, headers={"Content-Type": "application/json"})
    assert response.status_code == 400
    assert response.json()["error"]["message"]


def test_a_nul_in_a_message_does_no_harm(quick: Console) -> None:
    assert quick.answer(quick.new_chat(), "a\0b")["content"] == "a\ufffdb"


# -- the length of the next prompt -----------------------------------------------------------------------


def test_the_next_prompt_is_measured_in_a_chat_and_before_there_is_one(quick: Console) -> None:
    draft = {"parent_id": None, "messages": [{"role": "user", "content": "12345"}]}
    assert quick.ok("POST", "/chats/new/tokens", **draft) == {"prompt_tokens": 5, "context_length": 4096}
    chat = quick.new_chat(settings={"context_length": 100})
    assert quick.ok("POST", f"/chats/{chat}/tokens", **draft) == {"prompt_tokens": 5, "context_length": 100}
    assert quick.ok("POST", f"/chats/{chat}/tokens", parent_id=None)["prompt_tokens"] == 0


def test_measuring_loads_no_model(start_server: Callable[..., RunningServer]) -> None:
    console = Console(start_server("--workspace", "--model", "other={}"))
    assert console.ok("POST", "/chats/new/tokens", parent_id=None, model="other")["prompt_tokens"] is None
    assert console.answer(console.new_chat(), "hi", model="other")["content"] == "hi"
    assert console.ok("POST", "/chats/new/tokens", parent_id=None, model="other")["prompt_tokens"] == 0
