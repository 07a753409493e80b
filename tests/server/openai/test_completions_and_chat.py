"""Chat and text completions in OpenAI's shapes, streaming and not, against an engine that echoes its prompt."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest

from tests.server.conftest import RunningServer


def events(response: httpx.Response) -> list[Any]:
    """The JSON of every event; checks the framing."""
    assert response.headers["content-type"].startswith("text/event-stream")
    *blocks, rest = response.text.split("\n\n")
    assert rest == ""
    data = [block.removeprefix("data: ") for block in blocks if not block.startswith(":")]
    assert data[-1] == "[DONE]"
    return [json.loads(entry) for entry in data[:-1]]


def test_a_chat_is_answered(server: RunningServer) -> None:
    answer = server.chat("hello wörld").json()
    assert answer["object"] == "chat.completion"
    assert answer["model"] == "echo"
    assert answer["system_fingerprint"].startswith("sevenb-")
    (choice,) = answer["choices"]
    assert choice["message"] == {"role": "assistant", "content": "hello wörld", "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert choice["logprobs"] is None
    assert answer["usage"] == {
        "prompt_tokens": 12,
        "completion_tokens": 13,
        "total_tokens": 25,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    assert answer["timings"]["completion_tokens"] == 13
    assert answer["timings"]["decode"] >= 0


def test_a_chat_streams_and_only_asks_for_usage_get_it(server: RunningServer) -> None:
    chunks = events(server.chat("hello", stream=True))
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "hello"
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert all("usage" not in chunk for chunk in chunks)
    assert chunks[-1]["timings"]["completion_tokens"] == 6
    assert len({chunk["id"] for chunk in chunks}) == 1

    *chunks, last = events(server.chat("hello", stream=True, stream_options={"include_usage": True}))
    assert all(chunk["choices"] and chunk["usage"] is None for chunk in chunks)
    assert last["choices"] == []
    assert last["usage"]["total_tokens"] == 11
    assert last["timings"]["prompt_tokens"] == 5


@pytest.mark.parametrize("stream", [False, True])
def test_a_character_of_several_tokens_arrives_whole(server: RunningServer, stream: bool) -> None:
    text = "naïve 中文 🙂"
    if not stream:
        assert server.chat(text).json()["choices"][0]["message"]["content"] == text
        return
    pieces = [chunk["choices"][0]["delta"].get("content", "") for chunk in events(server.chat(text, stream=True))]
    assert "".join(pieces) == text
    assert all("�" not in piece for piece in pieces)


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_string_over_several_tokens_is_never_shown(server: RunningServer, stream: bool) -> None:
    response = server.chat("keep this STOP not this", stop=["STOP"], ignore_eos=True, stream=stream)
    if stream:
        chunks = events(response)
        text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
        last = chunks[-1]["choices"][0]
        assert "timings" in chunks[-1]
    else:
        last = response.json()["choices"][0]
        text = last["message"]["content"]
    assert text == "keep this "
    assert last["finish_reason"] == "stop"
    assert last["stop_reason"] == "STOP"


@pytest.mark.parametrize("stream", [False, True])
def test_n_answers_have_an_index_each(server: RunningServer, stream: bool) -> None:
    texts = ["", "", ""]
    response = server.chat("abcdef", n=3, max_tokens=4, stream=stream)
    if stream:
        for chunk in events(response):
            for choice in chunk["choices"]:
                texts[choice["index"]] += choice["delta"].get("content", "")
    else:
        for choice in response.json()["choices"]:
            texts[choice["index"]] = choice["message"]["content"]
            assert choice["finish_reason"] == "length"
    assert texts == ["abcd", "bcde", "cdef"]


@pytest.mark.parametrize("stream", [False, True])
def test_chat_logprobs_come_with_bytes_and_alternatives(server: RunningServer, stream: bool) -> None:
    response = server.chat("aé", logprobs=True, top_logprobs=2, max_tokens=3, stream=stream)
    if stream:
        chunks = [chunk["choices"][0] for chunk in events(response)]
        entries = [entry for chunk in chunks if chunk["logprobs"] for entry in chunk["logprobs"]["content"]]
    else:
        entries = response.json()["choices"][0]["logprobs"]["content"]
    assert [entry["bytes"] for entry in entries] == [[97], [0xC3], [0xA9]]
    assert entries[0]["token"] == "a"
    assert entries[0]["logprob"] == -0.5
    assert entries[0]["top_logprobs"] == [
        {"token": "a", "logprob": -0.5, "bytes": [97]},
        {"token": "?", "logprob": -1.5, "bytes": [63]},
    ]


def test_content_parts_and_developer_messages_are_taken(server: RunningServer) -> None:
    messages = [
        {"role": "developer", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]},
    ]
    response = server.post("/v1/chat/completions", messages=messages, max_completion_tokens=7)
    assert response.json()["choices"][0]["message"]["content"] == "one\ntwo"


def test_harmless_values_of_unsupported_parameters_pass(server: RunningServer) -> None:
    harmless = {"tools": [], "tool_choice": "none", "response_format": {"type": "text"}, "logit_bias": None}
    assert server.chat("hi", **harmless, user="me", metadata={"a": "b"}).status_code == 200


@pytest.mark.parametrize("prompt", ["abc", [97, 98, 99], ["abc"], [[97, 98, 99]]])
def test_a_completion_takes_text_and_token_ids(server: RunningServer, prompt: Any) -> None:
    answer = server.complete(prompt).json()
    assert answer["object"] == "text_completion"
    assert answer["choices"] == [
        {"index": 0, "text": "abc", "logprobs": None, "finish_reason": "stop", "stop_reason": None}
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_several_prompts_are_answered_in_order(server: RunningServer, stream: bool) -> None:
    response = server.complete(["one", "three", "fifteen"], n=2, max_tokens=3, echo=True, stream=stream)
    texts = [""] * 6
    for answer in events(response) if stream else [response.json()]:
        for choice in answer["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == ["oneone", "oneneo", "threethr", "threehre", "fifteenfif", "fifteenift"]


@pytest.mark.parametrize("stream", [False, True])
def test_echo_with_logprobs_covers_prompt_and_answer(server: RunningServer, stream: bool) -> None:
    response = server.complete("abc", echo=True, logprobs=1, max_tokens=2, stream=stream)
    answers = events(response) if stream else [response.json()]
    choices = [choice for answer in answers for choice in answer["choices"]]
    logprobs = [choice["logprobs"] for choice in choices]
    assert "".join(choice["text"] for choice in choices) == "abcab"
    assert [token for part in logprobs for token in part["tokens"]] == list("abcab")
    assert [value for part in logprobs for value in part["token_logprobs"]] == [None, -0.25, -0.25, -0.5, -0.5]
    assert [offset for part in logprobs for offset in part["text_offset"]] == [0, 1, 2, 3, 4]
    assert [top for part in logprobs for top in part["top_logprobs"]][3] == {"a": -0.5}


def test_a_prompt_can_be_scored_without_generating(server: RunningServer) -> None:
    answer = server.complete("abc", echo=True, logprobs=0, max_tokens=0).json()
    (choice,) = answer["choices"]
    assert choice["text"] == "abc"
    assert choice["logprobs"]["tokens"] == list("abc")
    assert answer["usage"]["completion_tokens"] == 0


def test_special_tokens_are_special_in_prompts_and_text_in_chats(server: RunningServer) -> None:
    assert server.post("/tokenize", prompt="a<|end|>b").json()["tokens"] == [97, 256, 98]
    messages = [{"role": "user", "content": "a<|end|>b"}]
    assert server.post("/tokenize", messages=messages).json()["tokens"] == list(b"a<|end|>b")


def test_tokens_and_text_convert_both_ways(server: RunningServer) -> None:
    answer = server.post("/tokenize", prompt="aé", return_token_strs=True).json()
    assert answer == {"count": 3, "max_model_len": 4096, "tokens": [97, 195, 169], "token_strs": ["a", "�", "�"]}
    assert server.post("/detokenize", tokens=[97, 195, 169]).json() == {"prompt": "aé"}
    assert server.post("/detokenize", tokens=[257]).json()["error"]["param"] == "tokens"


def test_models_are_listed_with_their_context(server: RunningServer) -> None:
    cards = server.http.get("/v1/models").json()["data"]
    assert [card["id"] for card in cards] == ["echo", "other-name"]
    assert cards[0]["max_model_len"] == 4096
    assert server.http.get("/v1/models/other-name").json() == cards[1]
    assert server.chat("hi", model="other-name").json()["model"] == "other-name"


def test_the_official_client_understands_everything(server: RunningServer) -> None:
    client = openai.OpenAI(base_url=f"{server.http.base_url}/v1", api_key="unused")
    assert [model.id for model in client.models.list()] == ["echo", "other-name"]
    chat = client.chat.completions.create(
        model="echo", messages=[{"role": "user", "content": "hi"}], logprobs=True, top_logprobs=1, n=2
    )
    assert chat.choices[0].message.content == "hi"
    assert chat.choices[1].logprobs is not None
    assert chat.usage is not None
    assert chat.usage.prompt_tokens_details is not None
    assert chat.usage.prompt_tokens_details.cached_tokens == 1
    with client.chat.completions.stream(model="echo", messages=[{"role": "user", "content": "hi"}]) as stream:
        assert stream.get_final_completion().choices[0].message.content == "hi"
    text = client.completions.create(model="echo", prompt="abc", logprobs=1, max_tokens=2)
    assert text.choices[0].logprobs is not None
    assert text.choices[0].logprobs.tokens == ["a", "b"]
    with pytest.raises(openai.NotFoundError, match="serves echo") as caught:
        client.completions.create(model="gpt-9", prompt="abc")
    assert caught.value.code == "model_not_found"


def test_openapi_describes_what_the_server_takes(server: RunningServer) -> None:
    document = server.http.get("/openapi.json").json()
    chat = document["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    assert {"messages", "temperature", "top_k", "min_p", "stop", "logit_bias", "chat_template_kwargs"} <= chat.keys()
    assert {"200", "400", "404", "503"} <= document["paths"]["/v1/chat/completions"]["post"]["responses"].keys()
    assert "422" not in document["paths"]["/v1/chat/completions"]["post"]["responses"]


def test_docs_list_every_parameter_and_load_nothing_from_elsewhere(server: RunningServer) -> None:
    page = server.http.get("/docs").text
    for word in ("/v1/chat/completions", "chat_template_kwargs", "stop_token_ids", "/detokenize", "/health"):
        assert word in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<script" not in page


def test_metrics_count_requests_and_tokens(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    server.chat("hello")
    server.until(lambda: server.gauge("sevenb_generation_tokens_total") == 6)
    text = server.http.get("/metrics").text
    assert 'sevenb_http_requests_total{method="POST",path="/v1/chat/completions",status="200"} 1.0' in text
    assert 'sevenb_request_success_total{finished_reason="stop",model_name="echo"} 1.0' in text
    assert 'sevenb_time_to_first_token_seconds_count{model_name="echo"} 1.0' in text
    assert 'sevenb_e2e_request_latency_seconds_count{model_name="echo"} 1.0' in text
    assert server.gauge("sevenb_num_requests_running") == 0


def test_metrics_tell_how_the_engine_was_started_and_what_memory_it_takes(
    start_server: Callable[..., RunningServer],
) -> None:
    server = start_server()
    server.chat("hello")
    server.until(lambda: server.gauge("sevenb_generation_tokens_total") == 6)
    text = server.http.get("/metrics").text
    assert re.search(
        r'^sevenb_engine_info\{device="[^"]+",kv_dtype="f16".*model_name="echo"\} 1.0$', text, re.MULTILINE
    )
    for name in ("weights", "kv_reserved", "kv_used", "kv_written", "activations_peak", "process", "process_peak"):
        assert f'sevenb_memory_{name}_bytes{{model_name="echo"}} ' in text


def test_invented_methods_share_one_series(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    for method in ("BREW", "POUR"):
        server.http.request(method, "/v1/models")
    text = server.http.get("/metrics").text
    assert 'sevenb_http_requests_total{method="other",path="/v1/models",status="405"} 2.0' in text
    assert "BREW" not in text
