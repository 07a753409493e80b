"""Anthropic's Messages API over the fake engine: shapes, the order of events, errors on every path."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.server.conftest import RunningServer

USER = {"role": "user", "content": "abc"}
BODY: dict[str, Any] = {"model": "echo", "max_tokens": 10, "messages": [USER]}


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    """The data of server-sent events, each of which must be called as its data says."""
    name = ""
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            assert data["type"] == name
            yield data
        else:
            assert line == ""


def check_error(response: httpx.Response, status: int, kind: str, *words: str) -> None:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"type", "error", "request_id"}
    assert body["type"] == "error"
    assert body["error"]["type"] == kind
    assert response.headers["request-id"] == body["request_id"]
    for word in words:
        assert word in body["error"]["message"]


def test_a_whole_answer(server: RunningServer) -> None:
    response = server.post("/v1/messages", **BODY)
    assert response.headers["request-id"].startswith("req_")
    body = response.json()
    assert body.pop("id").startswith("msg_")
    assert body == {
        "type": "message",
        "role": "assistant",
        "model": "echo",
        "content": [{"type": "text", "text": "abc"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        # All of the prompt is input_tokens and cache_read_input_tokens together.
        "usage": {
            "input_tokens": 2,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 1,
            "output_tokens": 4,
        },
    }


def test_a_stream_has_its_events_in_order(server: RunningServer) -> None:
    with server.http.stream("POST", "/v1/messages", json={**BODY, "stream": True}) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = list(events(response.iter_lines()))
    kinds = [event["type"] for event in told]
    assert kinds[:3] == ["message_start", "ping", "content_block_start"]
    assert set(kinds[3:-3]) == {"content_block_delta"}
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert told[0]["message"]["content"] == []
    assert told[0]["message"]["stop_reason"] is None
    assert told[2]["content_block"] == {"type": "text", "text": ""}
    assert "".join(event["delta"]["text"] for event in told[3:-3]) == "abc"
    assert told[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert told[-2]["usage"]["output_tokens"] == 4


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("fields", "text", "stop_reason", "stop_sequence"),
    [
        ({"max_tokens": 2}, "ab", "max_tokens", None),
        ({"stop_sequences": ["c"]}, "ab", "stop_sequence", "c"),
        ({"max_tokens": 0}, "", "max_tokens", None),
    ],
)
def test_why_an_answer_ended(
    server: RunningServer, stream: bool, fields: Any, text: str, stop_reason: str, stop_sequence: str | None
) -> None:
    response = server.post("/v1/messages", **{**BODY, **fields}, stream=stream)
    if stream:
        told = list(events(iter(response.text.splitlines())))
        assert "".join(e["delta"]["text"] for e in told if e["type"] == "content_block_delta") == text
        end, usage = told[-2]["delta"], told[-2]["usage"]
    else:
        end, usage = response.json(), response.json()["usage"]
        assert "".join(block["text"] for block in end["content"]) == text
    assert (end["stop_reason"], end["stop_sequence"]) == (stop_reason, stop_sequence)
    assert usage["output_tokens"] == (0 if fields.get("max_tokens") == 0 else 2 if "max_tokens" in fields else 3)


CALLS = """Let me see.
<tool_call>
{"name": "weather", "arguments": {"city": "Bern"}}
</tool_call>
<tool_call>
{"name": "weather", "arguments": {"city": "Oslo"}}
</tool_call>"""
TOOL = {
    "name": "weather",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def test_calls_are_tool_use_blocks(server: RunningServer) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": CALLS}], "max_tokens": 1000, "tools": [TOOL]}
    answer = server.post("/v1/messages", **body).json()
    assert answer["stop_reason"] == "tool_use"
    text, first, second = answer["content"]
    assert text["text"].strip() == "Let me see."
    assert (first["type"], first["name"], first["input"]) == ("tool_use", "weather", {"city": "Bern"})
    assert second["input"] == {"city": "Oslo"}
    assert first["id"].startswith("toolu_")
    assert first["id"] != second["id"]


def test_streamed_calls_arrive_block_by_block(server: RunningServer) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": CALLS}], "max_tokens": 1000, "tools": [TOOL]}
    told = list(events(iter(server.post("/v1/messages", **body, stream=True).text.splitlines())))
    starts = [event for event in told if event["type"] == "content_block_start"]
    assert [(event["index"], event["content_block"]["type"]) for event in starts] == [
        (0, "text"),
        (1, "tool_use"),
        (2, "tool_use"),
    ]
    assert starts[1]["content_block"]["input"] == {}
    for index, city in ((1, "Bern"), (2, "Oslo")):
        deltas = [e["delta"] for e in told if e["type"] == "content_block_delta" and e["index"] == index]
        assert {delta["type"] for delta in deltas} == {"input_json_delta"}
        assert deltas[0]["partial_json"] == ""
        assert len(deltas) > 3
        assert json.loads("".join(delta["partial_json"] for delta in deltas)) == {"city": city}
    # Never two blocks open at once, and none left open.
    open_blocks = 0
    for event in told:
        open_blocks += {"content_block_start": 1, "content_block_stop": -1}.get(event["type"], 0)
        assert open_blocks in (0, 1)
    assert open_blocks == 0
    assert told[-2]["delta"]["stop_reason"] == "tool_use"


def test_a_call_that_max_tokens_cuts_off_keeps_what_there_is(server: RunningServer) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": CALLS}], "max_tokens": 62, "tools": [TOOL]}
    answer = server.post("/v1/messages", **body).json()
    assert answer["stop_reason"] == "max_tokens"
    assert answer["content"][1]["type"] == "tool_use"
    assert isinstance(answer["content"][1]["input"], dict)


def test_counting_includes_the_system_prompt(server: RunningServer) -> None:
    body = {"model": "echo", "messages": [USER]}
    assert server.post("/v1/messages/count_tokens", **body).json() == {"input_tokens": 3}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "model"),
        ({**BODY, "max_tokens": None}, "max_tokens"),
        ({**BODY, "max_tokens": -1}, "max_tokens"),
        ({**BODY, "max_tokens": "5"}, "max_tokens"),
        ({**BODY, "messages": []}, "messages"),
        ({**BODY, "messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({**BODY, "messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages[0].content[0]"),
        ({**BODY, "temperature": 2}, "temperature"),
        ({**BODY, "top_p": 0}, "top_p"),
        ({**BODY, "top_k": -1}, "top_k"),
        ({**BODY, "stop_sequences": [""]}, "stop_sequences[0]"),
        ({**BODY, "stop_sequences": "x"}, "stop_sequences"),
        ({**BODY, "stream": "yes"}, "stream"),
        ({**BODY, "tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        ({**BODY, "tools": [{"name": "a", "input_schema": {"type": "string"}}]}, "tools[0].input_schema"),
        ({**BODY, "tool_choice": {"type": "any"}}, "tool_choice"),
        ({**BODY, "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({**BODY, "mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        (
            {**BODY, "output_config": {"format": {"type": "json_schema", "schema": {"type": "nonsense"}}}},
            "output_config",
        ),
    ],
)
def test_bad_values_are_named(server: RunningServer, body: dict[str, Any], field: str) -> None:
    check_error(server.post("/v1/messages", **body), 400, "invalid_request_error", field)


def test_a_prompt_over_the_context_names_both_numbers(server: RunningServer) -> None:
    body = {**BODY, "messages": [{"role": "user", "content": "x" * 5000}]}
    check_error(server.post("/v1/messages", **body), 400, "invalid_request_error", "5000", "4096")
    check_error(server.post("/v1/messages", **body, stream=True), 400, "invalid_request_error", "5000", "4096")


def test_errors_that_no_route_sees(server: RunningServer) -> None:
    http, path = server.http, "/v1/messages"
    check_error(http.get(path), 405, "invalid_request_error", "POST")
    check_error(server.post("/v1/messages/batches", **BODY), 404, "not_found_error", "/v1/messages/batches")
    check_error(server.post(path, **{**BODY, "model": "nope"}), 404, "not_found_error", "nope", "echo")
    check_error(http.post(path, content="x=1"), 415, "invalid_request_error", "application/json")
    bad = http.post(path, content="{", headers={"Content-Type": "application/json"})
    check_error(bad, 400, "invalid_request_error", "JSON")
    check_error(server.post("/v1/messages/count_tokens", model="echo"), 400, "invalid_request_error", "messages")


def test_limits_answer_in_the_same_shape(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "secret", "--max-body-bytes", "1000")
    check_error(server.post("/v1/messages", **BODY), 401, "authentication_error")
    server.http.headers["x-api-key"] = "secret"
    assert server.post("/v1/messages", **BODY).status_code == 200
    check_error(server.post("/v1/messages", **BODY, system="x" * 2000), 413, "request_too_large")


def test_an_engine_that_dies_ends_the_stream_with_an_error_event(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(step_seconds=0.02)
    body = {**BODY, "messages": [{"role": "user", "content": "x" * 500}], "max_tokens": 500, "stream": True}
    with server.http.stream("POST", "/v1/messages", json=body) as response:
        told = events(response.iter_lines())
        assert next(told)["type"] == "message_start"
        os.kill(server.engine_pid, signal.SIGKILL)
        *_, last = told
    assert last["type"] == "error"
    assert last["error"]["type"] == "overloaded_error"
    assert last["error"]["message"]


def test_a_client_that_leaves_frees_its_sequence(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(step_seconds=0.1)
    body = {**BODY, "messages": [{"role": "user", "content": "x" * 3000}], "max_tokens": 900, "stream": True}
    with server.http.stream("POST", "/v1/messages", json=body) as response:
        told = response.iter_lines()
        next(told)
        server.until(lambda: server.gauge("sevenb_num_requests_running") == 1)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0)
