"""Ollama's API over the fake engine: shapes, streams, options, models, errors on every path."""

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.server.conftest import RunningServer

CHAT: dict[str, Any] = {"model": "echo", "messages": [{"role": "user", "content": "abc"}]}
GENERATE: dict[str, Any] = {"model": "echo", "prompt": "abc"}
FIGURES = {
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
}


def lines(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def check_error(response: httpx.Response, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error"}
    for word in words:
        assert word in response.json()["error"]


# -- answers ---------------------------------------------------------------------------------------------


def test_a_chat_streams_unless_told_otherwise(server: RunningServer) -> None:
    *pieces, last = lines(server.post("/api/chat", **CHAT))
    assert [piece["message"]["content"] for piece in pieces] == ["a", "b", "c"]
    assert not any(piece["done"] for piece in pieces)
    assert last["done"]
    assert last["done_reason"] == "stop"
    assert last["message"] == {"role": "assistant", "content": ""}
    assert set(last) >= FIGURES
    assert (last["prompt_eval_count"], last["eval_count"]) == (3, 4)
    assert last["total_duration"] >= last["eval_duration"] > 0
    assert last["created_at"].endswith("Z")


def test_a_whole_chat_answer(server: RunningServer) -> None:
    answer = server.post("/api/chat", **CHAT, stream=False).json()
    assert answer["message"] == {"role": "assistant", "content": "abc"}
    assert answer["done"]
    assert set(answer) == {"model", "created_at", "message", "done", "done_reason", *FIGURES}


def test_generate_tells_the_tokens_so_far(server: RunningServer) -> None:
    *pieces, last = lines(server.post("/api/generate", **GENERATE))
    assert "".join(piece["response"] for piece in pieces) == "abc"
    assert last["context"] == [*b"abc", *b"abc", 256]
    again = server.post("/api/generate", **GENERATE, context=last["context"], stream=False).json()
    assert again["prompt_eval_count"] == 10
    assert again["context"][:7] == last["context"]


def test_a_raw_prompt_is_all_there_is(server: RunningServer) -> None:
    answer = server.post("/api/generate", model="echo", prompt="a<|end|>", raw=True, stream=False).json()
    assert answer["prompt_eval_count"] == 2  # the special token counts as one
    assert "context" not in answer


def test_a_template_of_one_s_own(server: RunningServer) -> None:
    template = "{{ if .System }}[{{ .System }}]{{ end }}{{ .Prompt }}!{{ .Response }}<|end|>"
    answer = server.post("/api/generate", **GENERATE, system="s", template=template, stream=False).json()
    assert answer["response"] == "[s]abc!"


def test_nobody_forges_special_tokens_through_a_template(server: RunningServer) -> None:
    body = {"model": "echo", "template": "<|end|>{{ .Prompt }}", "stream": False}
    assert server.post("/api/generate", **body, prompt="<|end|>").json()["prompt_eval_count"] == 1 + len("<|end|>")


def test_a_stop_string_may_spell_a_special_token(server: RunningServer) -> None:
    body = {"model": "echo", "prompt": "ab<|end|>cd", "raw": True, "stream": False}
    answer = server.post("/api/generate", **body, options={"stop": ["<|end|>"]}).json()
    assert (answer["response"], answer["done_reason"]) == ("ab", "stop")
    again = server.post("/v1/completions", prompt="ab<|end|>cd", ignore_eos=True, stop=["<|end|>"], max_tokens=9).json()
    assert again["choices"][0]["text"] == "ab"


@pytest.mark.parametrize(
    ("options", "text", "done_reason"),
    [
        ({"num_predict": 2}, "ab", "length"),
        ({"num_predict": 2.0}, "ab", "length"),
        ({"num_predict": -1}, "abc", "stop"),
        ({"stop": ["c"]}, "ab", "stop"),
        ({"stop": "b"}, "a", "stop"),
        ({"num_ctx": 16, "mirostat": 2, "num_thread": 4, "use_mmap": True, "top_k": None}, "abc", "stop"),
    ],
)
def test_options(server: RunningServer, options: dict[str, Any], text: str, done_reason: str) -> None:
    answer = server.post("/api/chat", **CHAT, options=options, stream=False).json()
    assert (answer["message"]["content"], answer["done_reason"]) == (text, done_reason)


def test_logprobs(server: RunningServer) -> None:
    answer = server.post("/api/generate", **GENERATE, logprobs=True, top_logprobs=2, stream=False).json()
    first = answer["logprobs"][0]
    assert (first["token"], first["logprob"], first["bytes"]) == ("a", -0.5, [97])
    assert [other["token"] for other in first["top_logprobs"]] == ["a", "?"]
    *pieces, _ = lines(server.post("/api/chat", **CHAT, logprobs=True))
    assert [piece["logprobs"][0]["token"] for piece in pieces[:3]] == ["a", "b", "c"]


CALLS = """<tool_call>
{"name": "weather", "arguments": {"city": "Bern"}}
</tool_call>
<tool_call>
{"name": "weather", "arguments": {"city": "Oslo", "days": 2}}
</tool_call>"""


def tool(**properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": ["city"]}
    return {"type": "function", "function": {"name": "weather", "parameters": parameters}}


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_come_whole(server: RunningServer, stream: bool) -> None:
    # The type as Ollama's Python package writes that of ``days: int | str``.
    tools = [tool(city={"type": "string"}, days={"type": "integer, string"})]
    messages = [{"role": "user", "content": CALLS}]
    response = server.post("/api/chat", model="echo", messages=messages, tools=tools, stream=stream)
    answers = lines(response) if stream else [response.json()]
    calls = [call for answer in answers for call in answer["message"].get("tool_calls", [])]
    assert [call["function"] for call in calls] == [
        {"index": 0, "name": "weather", "arguments": {"city": "Bern"}},
        {"index": 1, "name": "weather", "arguments": {"city": "Oslo", "days": 2}},
    ]
    assert calls[0]["id"] != calls[1]["id"]
    assert "".join(answer["message"]["content"] for answer in answers).strip() == ""
    assert answers[-1]["done_reason"] == "stop"


def test_a_history_with_calls_and_results_is_taken(server: RunningServer) -> None:
    messages = [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "weather", "arguments": {"city": "Bern"}}}]},
        {"role": "tool", "tool_name": "weather", "content": "rain"},
        {"role": "user", "content": "thanks", "images": []},
    ]
    answer = server.post("/api/chat", model="echo", messages=messages, think=False, stream=False).json()
    assert answer["message"]["content"] == "thanks"


# -- models ----------------------------------------------------------------------------------------------


def test_what_clients_ask_first(server: RunningServer) -> None:
    http = server.http
    assert http.get("/").text == "Ollama is running"
    assert (
        http.head("/").status_code == http.head("/api/version").status_code == http.head("/api/tags").status_code == 200
    )
    version = http.get("/api/version").json()["version"]
    assert tuple(map(int, version.split("."))) >= (0, 6, 4)  # what GitHub Copilot asks for
    models = http.get("/api/tags").json()["models"]
    assert [model["name"] for model in models][:2] == ["echo", "other-name"]
    assert set(models[0]) == {"name", "model", "modified_at", "size", "digest", "details"}
    assert len(models[0]["digest"]) == 64
    (running,) = http.get("/api/ps").json()["models"]
    assert (running["name"], running["context_length"]) == ("echo", 4096)


@pytest.mark.parametrize("name", ["echo", "echo:latest", "ECHO", "other-name"])
def test_show_by_any_name(server: RunningServer, name: str) -> None:
    shown = server.post("/api/show", model=name).json()
    assert set(shown) >= {"details", "model_info", "capabilities", "template", "modified_at"}
    assert "completion" in shown["capabilities"]
    assert server.post("/api/show", name=name).status_code == 200


def test_copilot_is_told_the_name_that_its_user_knows(server: RunningServer) -> None:
    headers = {"User-Agent": "GitHubCopilotChat/0.30"}
    shown = server.http.post("/api/show", json={"model": "other-name"}, headers=headers).json()
    assert shown["model_info"]["general.basename"] == "other-name"


def test_models_are_loaded_and_unloaded_without_a_prompt(start_server: Callable[..., RunningServer]) -> None:
    server = start_server()
    assert server.post("/api/generate", model="echo").json()["done_reason"] == "load"
    assert server.post("/api/chat", model="echo", messages=[]).json()["done_reason"] == "load"
    body = {"model": "echo", "keep_alive": 0}
    assert server.post("/api/generate", **body).json()["done_reason"] == "unload"
    assert server.http.get("/api/ps").json() == {"models": []}
    assert server.post("/api/chat", **CHAT, keep_alive="10m", stream=False).json()["message"]["content"] == "abc"
    (running,) = server.http.get("/api/ps").json()["models"]
    assert not running["expires_at"].startswith("2318")


def test_pull_of_what_is_no_model(server: RunningServer) -> None:
    for path in ("/etc/passwd", "./x.gguf", "../x", "~/x", "x.gguf"):
        check_error(server.post("/api/pull", model=path), 400, "path")
    check_error(server.post("/api/pull", model="qwen2.5-coder:0.6b"), 404, "qwen2.5-coder:0.5b")
    check_error(server.post("/api/pull"), 400, "model")


def test_pull_of_what_is_here(server: RunningServer, smollm2: object) -> None:
    assert [line["status"] for line in lines(server.post("/api/pull", model="smollm2:135m"))] == [
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert server.post("/api/pull", name="smollm2:135m", stream=False).json() == {"status": "success"}


# -- errors ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/api/chat", {}, "model"),
        ("/api/chat", {"model": ""}, "model"),
        ("/api/chat", {**CHAT, "messages": "hi"}, "messages"),
        ("/api/chat", {**CHAT, "messages": [{"role": "king"}]}, "messages[0].role"),
        ("/api/chat", {**CHAT, "messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ("/api/chat", {**CHAT, "messages": [{"role": "user", "content": "x", "images": ["AA"]}]}, "messages[0].images"),
        ("/api/chat", {**CHAT, "tools": [{"type": "function"}]}, "tools[0]"),
        ("/api/chat", {**CHAT, "tools": [5]}, "tools[0]"),
        ("/api/chat", {**CHAT, "options": {"temperature": "hot"}}, "options.temperature"),
        ("/api/chat", {**CHAT, "options": {"temperature": -1}}, "temperature"),
        ("/api/chat", {**CHAT, "options": {"num_predict": 1.5}}, "options.num_predict"),
        ("/api/chat", {**CHAT, "options": {"stop": [1]}}, "options.stop"),
        ("/api/chat", {**CHAT, "format": "yaml"}, "format"),
        ("/api/chat", {**CHAT, "format": {"type": "nonsense"}}, "format"),
        ("/api/chat", {**CHAT, "keep_alive": "soon"}, "keep_alive"),
        ("/api/chat", {**CHAT, "top_logprobs": 3}, "top_logprobs"),
        ("/api/generate", {**GENERATE, "prompt": 5}, "prompt"),
        ("/api/generate", {**GENERATE, "context": ["a"]}, "context[0]"),
        ("/api/generate", {**GENERATE, "context": [99999]}, "context"),
        ("/api/generate", {**GENERATE, "raw": True, "system": "s"}, "raw"),
        ("/api/generate", {**GENERATE, "suffix": "x"}, "insert"),
        ("/api/generate", {**GENERATE, "template": "{{ .Nonsense }}"}, "template"),
        ("/api/generate", {**GENERATE, "template": "{{ if .Suffix }}x{{ end }}"}, "template"),
        ("/api/generate", {**GENERATE, "template": "{{ .Role }}"}, "template"),
        ("/api/embed", {"model": "echo", "input": 5}, "input"),
        ("/api/show", {}, "model"),
    ],
)
def test_bad_values_are_named(server: RunningServer, path: str, body: dict[str, Any], field: str) -> None:
    check_error(server.post(path, **body), 400, field)


def test_a_prompt_over_the_context_names_both_numbers(server: RunningServer) -> None:
    long = [{"role": "user", "content": "x" * 5000}]
    check_error(server.post("/api/chat", model="echo", messages=long), 400, "5000", "4096")
    check_error(server.post("/api/generate", model="echo", prompt="x" * 5000, raw=True), 400, "5000", "4096")


def test_a_text_to_embed_is_cut_unless_told_otherwise(server: RunningServer) -> None:
    body = {"model": "echo", "input": ["x" * 5000, "y"]}
    answer = server.post("/api/embed", **body).json()
    assert (answer["prompt_eval_count"], answer["prompt_truncated_count"]) == (4097, 904)
    assert len(answer["embeddings"]) == 2
    check_error(server.post("/api/embed", **body, truncate=False), 400, "5000", "4096")
    assert server.post("/api/embed", model="echo", input=[]).json()["embeddings"] == []
    assert len(server.post("/api/embeddings", model="echo", prompt="x").json()["embedding"]) == 8
    assert server.post("/api/embeddings", model="echo").json() == {"embedding": []}


def test_errors_that_no_route_sees(server: RunningServer) -> None:
    http = server.http
    check_error(http.get("/api/chat"), 405, "POST")
    check_error(server.post("/api/copy", source="a"), 404, "/api/copy")
    for path in ("/api/chat", "/api/generate", "/api/show", "/api/embed"):
        check_error(
            server.post(path, **{**CHAT, "model": "nope", "prompt": "x", "input": "x"}), 404, "'nope' not found"
        )
    check_error(http.post("/api/chat", content="{"), 400, "JSON")


def test_curl_needs_no_content_type_but_a_web_page_does(server: RunningServer) -> None:
    content = json.dumps({**CHAT, "stream": False})
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    assert server.http.post("/api/chat", content=content, headers=form).status_code == 200
    check_error(server.http.post("/api/chat", content=content, headers={**form, "Origin": "https://evil.example"}), 415)


def test_limits_answer_in_the_same_shape(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--api-key", "secret", "--max-body-bytes", "1000")
    check_error(server.post("/api/chat", **CHAT), 401)
    check_error(server.http.get("/api/tags"), 401)
    server.http.headers["Authorization"] = "Bearer secret"
    check_error(server.post("/api/generate", model="echo", prompt="x" * 2000), 413)


def test_an_engine_that_dies_ends_the_stream_with_an_error_line(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(step_seconds=0.02)
    body = {"model": "echo", "prompt": "x" * 500}
    with server.http.stream("POST", "/api/generate", json=body) as response:
        told = response.iter_lines()
        assert json.loads(next(told))["response"] == "x"
        os.kill(server.engine_pid, signal.SIGKILL)
        *_, last = told
    assert set(json.loads(last)) == {"error"}


def test_a_client_that_leaves_frees_its_sequence(start_server: Callable[..., RunningServer]) -> None:
    server = start_server(step_seconds=0.1)
    with server.http.stream("POST", "/api/generate", json={"model": "echo", "prompt": "x" * 3000}) as response:
        told = response.iter_lines()
        next(told)
        server.until(lambda: server.gauge("sevenb_num_requests_running") == 1)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0)
