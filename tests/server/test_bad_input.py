"""Everything a client can get wrong: a status, OpenAI's error shape, and a sentence that names the field."""

from typing import Any

import pytest

from tests.server.conftest import RunningServer

USER = {"role": "user", "content": "hi"}
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
TOOL = {"type": "function", "function": {"name": "f"}}
NAMED = {"type": "function", "function": {"name": "g"}}
ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [NAMED]}}


def check(response: Any, status: int, *words: str, param: str | None = None, code: str | None = None) -> None:
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    for word in words:
        assert word in error["message"]
    assert "Traceback" not in error["message"]
    assert error["param"] == param
    if code is not None:
        assert error["code"] == code


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "king", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "image_url"}]}]}, "messages[1].content[0].type"),
        ({"messages": [USER], "temperature": "hot"}, "temperature"),
        ({"messages": [USER], "temperature": "1"}, "temperature"),
        ({"messages": [USER], "temperature": -1}, "temperature"),
        ({"messages": [USER], "temperature": True}, "temperature"),
        ({"messages": [USER], "top_p": 0}, "top_p"),
        ({"messages": [USER], "top_p": 1.5}, "top_p"),
        ({"messages": [USER], "min_p": 2}, "min_p"),
        ({"messages": [USER], "top_k": -5}, "top_k"),
        ({"messages": [USER], "n": 0}, "n"),
        ({"messages": [USER], "n": 10**9}, "n"),
        ({"messages": [USER], "n": 10**30}, "n"),
        ({"messages": [USER], "max_tokens": -1}, "max_tokens"),
        ({"messages": [USER], "max_tokens": 0}, "max_tokens"),
        ({"messages": [USER], "max_tokens": 1.5}, "max_tokens"),
        ({"messages": [USER], "max_completion_tokens": 0}, "max_completion_tokens"),
        ({"messages": [USER], "max_completion_tokens": 10**30}, "max_completion_tokens"),
        ({"messages": [USER], "min_tokens": -1}, "min_tokens"),
        ({"messages": [USER], "stop": 5}, "stop"),
        ({"messages": [USER], "stop": [""]}, "stop"),
        ({"messages": [USER], "stop": ["x"] * 65}, "stop"),
        ({"messages": [USER], "stop_token_ids": ["a"]}, "stop_token_ids[0]"),
        ({"messages": [USER], "presence_penalty": 3}, "presence_penalty"),
        ({"messages": [USER], "frequency_penalty": -3}, "frequency_penalty"),
        ({"messages": [USER], "repetition_penalty": 0}, "repetition_penalty"),
        ({"messages": [USER], "stop_token_ids": [10**30]}, "stop_token_ids[0]"),
        ({"messages": [USER], "priority": 10**30}, "priority"),
        ({"messages": [USER], "logit_bias": {"a": 1}}, "logit_bias"),
        ({"messages": [USER], "logit_bias": {"9" * 5000: 1}}, "logit_bias"),
        ({"messages": [USER], "logit_bias": {"1": 1000}}, "logit_bias[1]"),
        ({"messages": [USER], "logit_bias": [1]}, "logit_bias"),
        ({"messages": [USER], "seed": "x"}, "seed"),
        ({"messages": [USER], "seed": 10**40}, "seed"),
        ({"messages": [USER], "stream": "yes"}, "stream"),
        ({"messages": [USER], "stream_options": {"include_usage": True}}, "stream_options"),
        ({"messages": [USER], "stream": True, "stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"messages": [USER], "logprobs": 5}, "logprobs"),
        ({"messages": [USER], "top_logprobs": 5}, "top_logprobs"),
        ({"messages": [USER], "logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"messages": [USER], "chat_template_kwargs": {"messages": []}}, "chat_template_kwargs"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0]"),
        ({"messages": [USER, {"role": "user", "content": [{"type": "text"}]}]}, "messages[1].content[0]"),
        ({"messages": [{**USER, "tool_calls": [CALL]}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "messages[0].tool_calls[0].function"),
        ({"messages": [USER], "tools": "all"}, "tools"),
        ({"messages": [USER], "tools": [{"type": "function"}]}, "tools[0].function"),
        ({"messages": [USER], "tools": [{**TOOL, "type": "custom"}]}, "tools[0].type"),
        ({"messages": [USER], "tools": [TOOL, TOOL]}, "tools[1].function.name"),
        ({"messages": [USER], "tool_choice": "required"}, "tool_choice"),
        ({"messages": [USER], "tool_choice": "perhaps"}, "tool_choice"),
        ({"messages": [USER], "tools": [TOOL], "tool_choice": NAMED}, "tool_choice"),
        ({"messages": [USER], "tools": [TOOL], "tool_choice": ALLOWED}, "tool_choice"),
        ({"messages": [USER], "functions": [{"name": "f"}]}, "functions"),
        ({"messages": [USER], "response_format": {"type": "yaml"}}, "response_format.type"),
        ({"messages": [USER], "response_format": {"type": "json_schema"}}, "response_format"),
        ({"messages": [USER], "structured_outputs": {"regex": "("}}, "structured_outputs.regex"),
        ({"messages": [USER], "structured_outputs": {"choice": []}}, "structured_outputs.choice"),
        ({"messages": [USER], "structured_outputs": {"structural_tag": "{}"}}, "structured_outputs.structural_tag"),
        ({"messages": [USER], "response_format": {"type": "json_object", "schema": 5}}, "response_format.schema"),
        ({"messages": [USER], "grammar": 'root ::= "a"'}, "grammar"),
        ({"messages": [USER], "json_schema": {"type": "object"}}, "json_schema"),
        ({"messages": [USER], "guided_regex": "("}, "guided_regex"),
        ({"messages": [USER], "guided_regex": "a", "guided_choice": ["a"]}, "guided_choice"),
        ({"messages": [USER], "use_beam_search": True, "stream": True}, "use_beam_search"),
        ({"messages": [USER], "best_of": 2, "stream": True}, "best_of"),
        ({"messages": [USER], "length_penalty": 2}, "length_penalty"),
        ({"messages": [USER], "truncate_prompt_tokens": 0}, "truncate_prompt_tokens"),
    ],
)
def test_a_chat_with_a_bad_value_is_refused_by_name(server: RunningServer, body: dict[str, Any], param: str) -> None:
    check(server.post("/v1/chat/completions", **body), 400, param.partition("[")[0].partition(".")[0], param=param)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a"] * 9, "n": 128}, "prompt"),
        ({"prompt": ["a"] * 9, "n": 1, "best_of": 128}, "prompt"),
        ({"prompt": ["a"] * 40, "n": 1, "best_of": 32, "use_beam_search": True}, "prompt"),
        ({"prompt": [[]]}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt"),
        ({"prompt": {"a": 1}}, "prompt"),
        ({"prompt": [1, 99999]}, "prompt"),
        ({"prompt": [-1]}, "prompt"),
        ({"prompt": [10**30]}, "prompt"),
        ({"prompt": ["a"] * 257}, "prompt"),
        ({"prompt": "a", "max_tokens": 0}, "max_tokens"),
        ({"prompt": "a", "max_tokens": -1}, "max_tokens"),
        ({"prompt": "a", "logprobs": 21}, "logprobs"),
        ({"prompt": "a", "logprobs": True}, "logprobs"),
        ({"prompt": "a", "suffix": "b"}, "suffix"),
        ({"prompt": "a", "n": 3, "best_of": 2}, "best_of"),
        ({"prompt": "a", "best_of": 1000}, "best_of"),
        ({"prompt": "a", "structured_outputs": {"grammar": "start: ("}}, "structured_outputs.grammar"),
    ],
)
def test_a_completion_with_a_bad_value_is_refused_by_name(
    server: RunningServer, body: dict[str, Any], param: str
) -> None:
    response = server.post("/v1/completions", **body)
    assert response.json()["error"]["param"].partition("[")[0] == param
    check(response, 400, param, param=response.json()["error"]["param"])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{'prompt': 'a'}",
        b'{"prompt": "a", "temperature": NaN}',
        b'{"prompt": "a", "temperature": Infinity}',
        b'{"prompt": "a", "temperature": 1e999}',
        b'{"prompt": "\xff\xfe"}',
        b'{"prompt": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"prompt": "a"} trailing',
        b'{"prompt": "half of a \\ud800 pair"}',
    ],
)
def test_a_body_that_is_no_valid_json_object_is_refused(server: RunningServer, content: bytes) -> None:
    response = server.http.post("/v1/completions", content=content, headers={"Content-Type": "application/json"})
    check(response, 400, param=response.json()["error"]["param"])


def test_a_body_of_another_type_is_refused(server: RunningServer) -> None:
    response = server.http.post("/v1/completions", content=b"prompt=a", headers={"Content-Type": "text/plain"})
    check(response, 415, "Content-Type: application/json")


def test_a_huge_body_is_refused(server: RunningServer) -> None:
    body = b'{"prompt": "' + b"a" * (33 * 2**20) + b'"}'
    response = server.http.post("/v1/completions", content=body, headers={"Content-Type": "application/json"})
    check(response, 413, "32 MiB")


def test_unknown_paths_and_methods_have_the_same_shape(server: RunningServer) -> None:
    check(server.http.get("/v1/nothing"), 404, "/docs")
    check(server.http.get("/v1/chat/completions"), 405, "POST")
    check(server.http.delete("/v1/models"), 405, "GET")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions", "/tokenize"])
def test_an_unknown_model_is_not_found_and_the_served_one_is_named(server: RunningServer, path: str) -> None:
    body = {"messages": [USER]} if "chat" in path else {"prompt": "a"}
    check(server.post(path, model="gpt-9", **body), 404, "gpt-9", "echo", param="model", code="model_not_found")


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_over_the_context_names_both_numbers(server: RunningServer, stream: bool) -> None:
    long = "x" * 5000
    code = "context_length_exceeded"
    check(server.chat(long, stream=stream), 400, "5000", "4096", param="messages", code=code)
    check(server.complete(long, stream=stream), 400, "5000", "4096", param="prompt", code=code)


def test_max_tokens_beyond_the_context_ends_with_the_context(server: RunningServer) -> None:
    assert server.chat("hi", max_tokens=10**6).json()["choices"][0]["finish_reason"] == "stop"


def test_tokenize_wants_a_prompt_or_messages(server: RunningServer) -> None:
    check(server.post("/tokenize"), 400, "prompt or messages", param="prompt")
    check(server.post("/tokenize", prompt="a", messages=[USER]), 400, param="prompt")
    check(server.post("/detokenize", tokens=["a"]), 400, param="tokens[0]")
    check(server.post("/detokenize", tokens=[-1]), 400, param="tokens[0]")
