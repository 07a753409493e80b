"""The Responses API in OpenAI's shapes, streaming and not, against an engine that says what the last message says."""

import json
import socket
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from sevenb.server.openai.response_store import ResponseStore, StoredResponse
from sevenb.server.openai.responses_types import ResponseBody
from tests.server.conftest import RunningServer
from tests.server.openai.test_tools import WEATHER_CALL, call

WEATHER = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {"city": {}}}}


def respond(server: RunningServer, content: Any, **body: Any) -> httpx.Response:
    return server.post("/v1/responses", input=content, **body)


def events(response: httpx.Response) -> list[dict[str, Any]]:
    """The events of a stream; checks their framing and numbers."""
    assert response.headers["content-type"].startswith("text/event-stream")
    told = []
    for block in response.text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            continue
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert event["type"] == name.removeprefix("event: ")
        told.append(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def test_a_text_is_answered(server: RunningServer) -> None:
    body = respond(server, "hello wörld", metadata={"a": "b"}, temperature=0.5).json()
    assert body["object"] == "response"
    assert body["status"] == "completed"
    (message,) = body["output"]
    assert (message["type"], message["role"], message["status"]) == ("message", "assistant", "completed")
    assert message["content"] == [{"type": "output_text", "text": "hello wörld", "annotations": [], "logprobs": []}]
    assert body["usage"]["input_tokens"] == 12
    assert body["usage"]["input_tokens_details"]["cached_tokens"] == 1
    assert body["usage"]["output_tokens"] == 13
    assert (body["metadata"], body["temperature"], body["error"]) == ({"a": "b"}, 0.5, None)


def test_a_text_streams_in_the_order_of_openai(server: RunningServer) -> None:
    told = events(respond(server, "hey", stream=True))
    assert [event["type"] for event in told] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * 3,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert "".join(event["delta"] for event in told if event["type"] == "response.output_text.delta") == "hey"
    assert told[2]["item"]["content"] == []
    assert told[7]["text"] == "hey"
    assert told[-1]["response"]["output"] == [told[-2]["item"]]


def test_calls_stream_as_items_of_their_own(server: RunningServer) -> None:
    told = events(respond(server, f"Well. {WEATHER_CALL}", tools=[WEATHER], stream=True))
    added = [event for event in told if event["type"] == "response.output_item.added"]
    assert [(event["output_index"], event["item"]["type"]) for event in added] == [(0, "message"), (1, "function_call")]
    assert added[1]["item"]["arguments"] == ""
    deltas = [event["delta"] for event in told if event["type"] == "response.function_call_arguments.delta"]
    (done,) = [event for event in told if event["type"] == "response.function_call_arguments.done"]
    assert len(deltas) > 5
    assert "".join(deltas) == done["arguments"]
    item = told[-1]["response"]["output"][1]
    assert (item["name"], item["status"], json.loads(item["arguments"])) == (
        "get_weather",
        "completed",
        {"city": "Zürich"},
    )
    assert item["call_id"] != item["id"]


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_cut_off_is_incomplete(server: RunningServer, stream: bool) -> None:
    response = respond(server, "hello", max_output_tokens=2, stream=stream)
    body = events(response)[-1]["response"] if stream else response.json()
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert body["output"][0]["status"] == "incomplete"
    assert body["output"][0]["content"][0]["text"] == "he"


def test_logprobs_are_included_where_asked_for(server: RunningServer) -> None:
    include = ["message.output_text.logprobs"]
    told = events(respond(server, "ab", include=include, top_logprobs=1, stream=True))
    (done,) = [event for event in told if event["type"] == "response.output_text.done"]
    assert [record["token"] for record in done["logprobs"]][:2] == ["a", "b"]
    assert done["logprobs"][0]["top_logprobs"][0]["logprob"] == -0.5


def test_items_become_the_conversation(server: RunningServer) -> None:
    items = [
        {"role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "get_weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "rain"}]},
    ]
    body = respond(server, items, tools=[WEATHER], instructions="Be brief.").json()
    assert "rain" in body["output"][0]["content"][0]["text"]
    asked = server.http.get(f"/v1/responses/{body['id']}/input_items?order=asc").json()["data"]
    assert [item.get("type", "message") for item in asked] == [item.get("type", "message") for item in items]
    assert len({item["id"] for item in asked}) == 4


def test_a_stored_response_is_gone_on_from_read_and_forgotten(server: RunningServer) -> None:
    first = respond(server, "one").json()
    second = respond(server, [], previous_response_id=first["id"]).json()
    assert second["previous_response_id"] == first["id"]
    assert second["output"][0]["content"][0]["text"] == "one"
    third = respond(server, [{"type": "item_reference", "id": first["output"][0]["id"]}]).json()
    assert third["output"][0]["content"][0]["text"] == "one"

    url = f"/v1/responses/{first['id']}"
    assert server.http.get(url).json() == first
    items = server.http.get(f"{url}/input_items").json()
    assert items["data"][0]["content"] == [{"type": "input_text", "text": "one"}]
    assert server.http.delete(url).json() == {"id": first["id"], "object": "response", "deleted": True}
    assert server.http.get(url).status_code == 404
    assert respond(server, "x", previous_response_id=first["id"]).status_code == 400


def test_a_stream_that_fails_says_so_in_its_last_event(start_server: Callable[..., RunningServer]) -> None:
    """The answer breaks a rule that is checked at its end, long after the stream began."""
    server = start_server(step_seconds=0.15)
    schema = {"type": "array", "items": {"type": "integer"}, "uniqueItems": True}
    shape = {"format": {"type": "json_schema", "name": "unique", "schema": schema}}
    told = events(respond(server, "[1, 1]", text=shape, stream=True))
    assert [event["type"] for event in told] == ["response.created", "response.in_progress", "response.failed"]
    assert told[-1]["response"]["status"] == "failed"
    assert "uniqueItems" in told[-1]["response"]["error"]["message"]


def test_a_response_that_is_not_to_be_stored_is_not(server: RunningServer) -> None:
    body = respond(server, "one", store=False).json()
    assert server.http.get(f"/v1/responses/{body['id']}").status_code == 404


def test_the_store_is_bounded_and_keeps_owners_apart(server: RunningServer) -> None:
    body = ResponseBody.model_validate(respond(server, "one", store=False).json())
    stored = [StoredResponse(body.model_copy(update={"id": name}), "me", [], []) for name in ("a", "b", "c")]
    store = ResponseStore(max_responses=2)
    for response in stored:
        store.add(response)
        store.get("a", "me")
    assert [store.get(name, "me") is not None for name in ("a", "b", "c")] == [True, False, True]
    assert store.get("a", "you") is None
    assert not store.delete("a", "you")
    assert store.items("me").keys() == {item.id for item in body.output}
    assert not store.items("you")
    small = ResponseStore(max_bytes=10)
    small.add(stored[0])
    assert small.get("a", "me") is None


def test_a_conversation_over_the_context_is_refused(server: RunningServer) -> None:
    error = respond(server, "x" * 5000).json()["error"]
    assert (error["code"], error["param"]) == ("context_length_exceeded", "input")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["hi"]}, "input[0]"),
        ({"input": [{"role": "king", "content": "hi"}]}, "input[0].role"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0].arguments"),
        ({"input": [{"type": "item_reference", "id": "msg_none"}]}, "input[0]"),
        ({"input": "hi", "max_output_tokens": 0}, "max_output_tokens"),
        ({"input": "hi", "tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"input": "hi", "tools": [WEATHER], "tool_choice": {"type": "function", "name": "g"}}, "tool_choice"),
        ({"input": "hi", "text": {"format": {"type": "xml"}}}, "text.format.type"),
        ({"input": "hi", "text": {"format": {"type": "json_schema"}}}, "text.format"),
        ({"input": "hi", "previous_response_id": "resp_none"}, "previous_response_id"),
        ({"input": "hi", "background": True}, "background"),
        ({"input": "hi", "temperature": 1000}, "temperature"),
        ({"input": "hi", "truncation": "some"}, "truncation"),
    ],
)
def test_a_bad_value_is_refused_by_name(server: RunningServer, body: dict[str, Any], param: str) -> None:
    response = server.post("/v1/responses", **body)
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param


def test_the_official_client_understands_everything(server: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{server.http.base_url}/v1", api_key="unused")
    tools: Any = [WEATHER]
    response = client.responses.create(model="echo", input="hello")
    assert response.output_text == "hello"
    assert client.responses.retrieve(response.id).output_text == "hello"
    assert client.responses.input_items.list(response.id).data[0].type == "message"
    client.responses.delete(response.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)
    assert client.responses.input_tokens.count(model="echo", input="hello").input_tokens == 5
    with client.responses.stream(
        model="echo", input=f"{WEATHER_CALL}\n{call('get_weather', '{}')}", tools=tools
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_response()
    assert kinds[-1] == "response.completed"
    assert [item.type for item in final.output] == ["function_call", "function_call"]


def test_what_one_key_stored_does_not_exist_for_another(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "mine", "--api-key", "yours")
    mine, yours = {"Authorization": "Bearer mine"}, {"Authorization": "Bearer yours"}
    body = server.http.post("/v1/responses", json={"input": "one"}, headers=mine).json()
    assert server.http.get(f"/v1/responses/{body['id']}", headers=mine).status_code == 200
    assert server.http.get(f"/v1/responses/{body['id']}", headers=yours).status_code == 404
    going_on = {"input": "two", "previous_response_id": body["id"]}
    assert server.http.post("/v1/responses", json=going_on, headers=yours).status_code == 400


def test_without_keys_an_address_sees_only_what_it_stored(server: RunningServer) -> None:
    body = respond(server, "one").json()
    transport = httpx.HTTPTransport(local_address="127.0.0.2")
    with httpx.Client(base_url=server.http.base_url, transport=transport) as other:
        assert other.get("/health").status_code == 200
        assert other.get(f"/v1/responses/{body['id']}").status_code == 404
        reference = {"type": "item_reference", "id": body["output"][0]["id"]}
        assert other.post("/v1/responses", json={"input": [reference]}).status_code == 400
    assert server.http.get(f"/v1/responses/{body['id']}").status_code == 200


def test_no_client_can_choose_what_a_reference_means(server: RunningServer) -> None:
    first = respond(server, [{"role": "user", "content": "one"}]).json()
    asked = server.http.get(f"/v1/responses/{first['id']}/input_items").json()["data"]
    for item in (asked[0], first["output"][0]):
        respond(server, [{"role": "user", "id": item["id"], "content": "two"}])
        answer = respond(server, [{"type": "item_reference", "id": item["id"]}]).json()
        assert answer["output"][0]["content"][0]["text"] == "one"
    respond(server, [{"role": "user", "id": "msg_chosen", "content": "two"}])
    assert respond(server, [{"type": "item_reference", "id": "msg_chosen"}]).status_code == 400


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_frees_its_request(start_server: Callable[..., RunningServer], stream: bool) -> None:
    server = start_server(step_seconds=0.01)
    body = {"input": WEATHER_CALL, "tools": [WEATHER], "ignore_eos": True, "stream": stream}
    content = json.dumps(body).encode()
    url = server.http.base_url
    head = (
        "POST /v1/responses HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(content)}"
    )
    with socket.create_connection((url.host, url.port or 0)) as connection:
        connection.sendall(head.encode() + b"\r\n\r\n" + content)
        server.until(lambda: server.gauge("sevenb_num_requests_running") == 1)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0, seconds=30)
