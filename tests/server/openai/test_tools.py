"""Tools in chats, against an engine that says what the last message says: the calls in it are the model's calls."""

import json
from typing import Any

import openai
import pytest

from tests.server.conftest import RunningServer
from tests.server.openai.test_completions_and_chat import events

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
TOOLS = [WEATHER, TIME]
ARGUMENTS = '{"city": "Zürich"}'


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


WEATHER_CALL = call("get_weather", ARGUMENTS)


def joined(chunks: list[Any]) -> dict[str, Any]:
    """A stream of one answer as a message; checks how calls are cut into pieces."""
    message: dict[str, Any] = {"content": None, "tool_calls": [], "finish_reason": None, "logprobs": []}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        if delta.get("content") is not None:
            message["content"] = (message["content"] or "") + delta["content"]
        for piece in delta.get("tool_calls", ()):
            if piece["index"] == len(message["tool_calls"]):
                assert piece["type"] == "function"
                assert piece["id"]
                message["tool_calls"].append({"id": piece["id"], **piece["function"]})
            else:
                assert piece["index"] == len(message["tool_calls"]) - 1
                assert piece.keys() == {"index", "function"}
                assert piece["function"].keys() == {"arguments"}
                message["tool_calls"][-1]["arguments"] += piece["function"]["arguments"]
        message["logprobs"] += (choice["logprobs"] or {"content": []})["content"]
        message["finish_reason"] = choice["finish_reason"] or message["finish_reason"]
    return message


def answer(server: RunningServer, content: str, stream: bool, **body: Any) -> dict[str, Any]:
    """The message that a chat brings, streamed or not, in one shape."""
    response = server.chat(content, stream=stream, **{"tools": TOOLS, **body})
    assert response.status_code == 200, response.text
    if stream:
        return joined(events(response))
    (choice,) = response.json()["choices"]
    calls = [{"id": entry["id"], **entry["function"]} for entry in choice["message"].get("tool_calls", ())]
    return {
        "content": choice["message"]["content"],
        "tool_calls": calls,
        "finish_reason": choice["finish_reason"],
        "logprobs": (choice["logprobs"] or {"content": []})["content"],
    }


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_told_with_its_name_and_arguments_and_no_content(server: RunningServer, stream: bool) -> None:
    message = answer(server, WEATHER_CALL, stream)
    (made,) = message["tool_calls"]
    assert (made["name"], json.loads(made["arguments"])) == ("get_weather", {"city": "Zürich"})
    assert message["content"] is None
    assert message["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_within_the_arguments_cuts_them(server: RunningServer, stream: bool) -> None:
    message = answer(server, WEATHER_CALL, stream, stop=["ri"])
    (made,) = message["tool_calls"]
    assert (made["arguments"], message["finish_reason"]) == ('{"city": "Zü', "stop")


def test_arguments_arrive_piece_by_piece(server: RunningServer) -> None:
    chunks = events(server.chat(WEATHER_CALL, stream=True, tools=TOOLS))
    pieces = [piece for chunk in chunks for piece in chunk["choices"][0]["delta"].get("tool_calls", ())]
    assert pieces[0]["function"] == {"name": "get_weather", "arguments": ""}
    assert len(pieces) > len(ARGUMENTS) / 2


@pytest.mark.parametrize("stream", [False, True])
def test_parallel_calls_have_an_index_and_an_id_each(server: RunningServer, stream: bool) -> None:
    message = answer(server, f"{WEATHER_CALL}\n{call('get_time', '{}')}", stream)
    assert [made["name"] for made in message["tool_calls"]] == ["get_weather", "get_time"]
    assert [json.loads(made["arguments"]) for made in message["tool_calls"]] == [{"city": "Zürich"}, {}]
    assert len({made["id"] for made in message["tool_calls"]}) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_text_before_a_call_is_content(server: RunningServer, stream: bool) -> None:
    message = answer(server, f"Let me look.\n{WEATHER_CALL}", stream)
    assert message["content"].strip() == "Let me look."
    assert len(message["tool_calls"]) == 1


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_a_call_is_text(server: RunningServer, stream: bool) -> None:
    message = answer(server, "It rains.", stream)
    assert message == {"content": "It rains.", "tool_calls": [], "finish_reason": "stop", "logprobs": []}


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_that_is_cut_off_says_so(server: RunningServer, stream: bool) -> None:
    message = answer(server, WEATHER_CALL, stream, max_tokens=WEATHER_CALL.index("rich"))
    assert message["finish_reason"] == "length"
    assert message["tool_calls"][0]["arguments"].startswith('{"city": "Z')


@pytest.mark.parametrize("stream", [False, True])
def test_the_beginning_of_a_call_is_no_text_where_a_call_must_stand(server: RunningServer, stream: bool) -> None:
    message = answer(server, WEATHER_CALL, stream, max_tokens=15, tool_choice="required")
    assert message["finish_reason"] == "length"
    assert not message["content"]
    assert answer(server, WEATHER_CALL, stream, max_tokens=15)["content"] == WEATHER_CALL[:15]


@pytest.mark.parametrize("stream", [False, True])
def test_tool_choice_none_never_calls(server: RunningServer, stream: bool) -> None:
    message = answer(server, WEATHER_CALL, stream, tool_choice="none")
    assert message["tool_calls"] == []
    assert message["content"] == WEATHER_CALL
    assert message["finish_reason"] == "stop"


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_cover_the_tokens_of_calls(server: RunningServer, stream: bool) -> None:
    content = f"So: {WEATHER_CALL}"
    message = answer(server, content, stream, logprobs=True)
    said = b"".join(bytes(record["bytes"]) for record in message["logprobs"])
    assert said == f"{content}<|end|>".encode()


def test_the_official_client_follows_a_stream_of_calls(server: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{server.http.base_url}/v1", api_key="unused")
    content = f"{WEATHER_CALL}\n{call('get_time', '{}')}"
    messages: Any = [{"role": "user", "content": content}]
    tools: Any = TOOLS
    kinds = []
    with client.chat.completions.stream(model="echo", messages=messages, tools=tools) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_completion().choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    assert [entry.function.name for entry in message.tool_calls] == ["get_weather", "get_time"]
    assert kinds.count("tool_calls.function.arguments.done") == 2


def test_a_conversation_with_calls_and_results_goes_on(server: RunningServer) -> None:
    made = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": ARGUMENTS}}
    messages = [
        {"role": "user", "content": "Weather?", "name": "Ada"},
        {"role": "assistant", "content": None, "tool_calls": [made]},
        {"role": "tool", "tool_call_id": "call_1", "content": [{"type": "text", "text": "rain"}]},
    ]
    reply = server.post("/v1/chat/completions", messages=messages, tools=TOOLS).json()
    assert "rain" in reply["choices"][0]["message"]["content"]


@pytest.mark.parametrize(
    "choice",
    [
        {},
        [],
        "perhaps",
        {"type": "tool", "name": "get_time"},
        {"type": ["function"]},
        {"type": "function", "name": "get_time"},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "get_time"}]},
    ],
)
def test_a_choice_in_another_form_is_told_the_forms_there_are(server: RunningServer, choice: Any) -> None:
    messages = [{"role": "user", "content": "hi"}]
    reply = server.post("/v1/chat/completions", messages=messages, tools=TOOLS, tool_choice=choice)
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["param"] == "tool_choice"
    assert error["message"].startswith("tool_choice: must be 'none', 'auto', 'required', {")
    assert "or {" in error["message"]


def test_allowed_tools_are_the_only_ones(server: RunningServer) -> None:
    allowed = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "get_time"}}]}
    choice = {"type": "allowed_tools", "allowed_tools": allowed}
    assert answer(server, WEATHER_CALL, False, tool_choice=choice)["tool_calls"] == []
    assert len(answer(server, call("get_time", "{}"), False, tool_choice=choice)["tool_calls"]) == 1
