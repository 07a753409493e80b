"""Editor completion by the real 0.5B, asked as llama.vim and llama.vscode ask."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program

PREFIX = "def fibonacci(n):\n    if n < 2:\n        return n\n    return "
SUFFIX = "\n\nprint(fibonacci(10))\n"
GREEDY = {"temperature": 0.0, "n_predict": 24}


@pytest.fixture
def http(program: Program) -> Iterator[httpx.Client]:
    with program.http as client:
        yield client


def infill(http: httpx.Client, **body: Any) -> dict[str, Any]:
    response = http.post("/infill", json={"input_prefix": PREFIX, "input_suffix": SUFFIX} | GREEDY | body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_the_middle_fits_between_its_ends(http: httpx.Client) -> None:
    answer = infill(http)
    assert answer["content"].startswith("fibonacci(n-1) + fibonacci(n-2)") or answer["content"].startswith(
        "fibonacci(n - 1) + fibonacci(n - 2)"
    )
    assert answer["stop"]
    assert answer["stop_type"] in ("eos", "limit")
    assert not answer["truncated"]
    assert answer["tokens_evaluated"] == answer["timings"]["prompt_n"] + answer["timings"]["cache_n"]
    assert answer["prompt"] == f"<|fim_prefix|>{PREFIX}<|fim_suffix|>{SUFFIX}<|fim_middle|>"


def test_what_is_typed_already_belongs_to_the_prefix(http: httpx.Client) -> None:
    head, typed = PREFIX.rsplit("\n", 1)
    assert infill(http, input_prefix=head + "\n", prompt=typed)["content"] == infill(http)["content"]


def test_a_stream_brings_the_same_text(http: httpx.Client) -> None:
    body = {"input_prefix": PREFIX, "input_suffix": SUFFIX, "stream": True} | GREEDY
    with http.stream("POST", "/infill", json=body) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line]
    *pieces, last = events
    whole = infill(http)
    assert "".join(piece["content"] for piece in pieces) == whole["content"]
    assert not any(piece["stop"] for piece in pieces)
    assert last["stop"]
    assert last["content"] == ""
    assert last["tokens_predicted"] == whole["tokens_predicted"]


def test_zero_tokens_warm_the_cache(http: httpx.Client) -> None:
    files = [{"filename": "utils.py", "text": "def helper(value):\n    return value * 2\n" * 12}]
    cold = infill(http, input_prefix="", input_suffix="", input_extra=files, n_predict=0)
    assert cold["content"] == ""
    assert cold["tokens_predicted"] == 0
    warm = infill(http, input_extra=files)
    assert warm["tokens_cached"] == warm["timings"]["cache_n"] >= 96
    assert cold["timings"]["cache_n"] == 0


def test_other_files_are_known(http: httpx.Client) -> None:
    files = [{"filename": "shapes.py", "text": "def area_of_a_heptagon(side):\n    return 3.633912444 * side ** 2\n"}]
    answer = infill(
        http, input_extra=files, input_prefix="from shapes import *\n\nprint(area_of_a_", input_suffix="(3.0))\n"
    )
    assert answer["content"].startswith("heptagon")
    assert "<|file_sep|>shapes.py\n" in answer["prompt"]


def test_a_line_that_is_indented_less_ends_it(http: httpx.Client) -> None:
    body = {"input_prefix": "def f(x):\n    y = x\n", "input_suffix": "", "n_predict": 60, "ignore_eos": True}
    answer = infill(http, **body, n_indent=4)
    _, *lines = answer["content"].split("\n")
    assert answer["stop_type"] == "limit"
    assert all(line.startswith("    ") or not line.strip() for line in lines)
    assert len(answer["content"]) < len(infill(http, **body)["content"])


def test_time_ends_it_after_a_whole_line(http: httpx.Client) -> None:
    body = {"input_prefix": "# numbers\n", "input_suffix": "", "n_predict": 200, "ignore_eos": True}
    answer = infill(http, **body, t_max_predict_ms=1, t_max_prompt_ms=1)
    assert answer["has_new_line"]
    assert answer["stop_type"] == "limit"
    assert answer["tokens_predicted"] < 150


def test_only_the_fields_that_an_editor_wants(http: httpx.Client) -> None:
    wanted = ["content", "timings/prompt_n", "timings/predicted_ms", "truncated", "tokens_cached", "no/such"]
    answer = infill(
        http, response_fields=wanted, samplers=["top_k", "top_p", "infill"], top_k=40, top_p=0.9, cache_prompt=True
    )
    assert set(answer) == set(wanted) - {"no/such"}
    assert answer["content"] == infill(http)["content"]


def test_a_stop_string_ends_it(http: httpx.Client) -> None:
    answer = infill(http, stop=["("], return_tokens=True)
    assert answer["content"] == "fibonacci"
    assert (answer["stop_type"], answer["stopping_word"]) == ("word", "(")
    assert answer["tokens"]


def test_a_context_that_is_too_long_is_cut_and_told(embedder: Program) -> None:
    with embedder.http as http:
        answer = infill(http, input_prefix="# nothing\n" * 400 + PREFIX, input_suffix=SUFFIX + "# end\n" * 400)
    assert answer["truncated"]
    assert answer["tokens_evaluated"] == 512 - 24
    assert PREFIX + "<|fim_suffix|>" + SUFFIX in answer["prompt"]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"input_prefix": 3}, "input_prefix"),
        ({"n_predict": -2}, "n_predict"),
        ({"top_p": 7}, "top_p"),
        ({"input_extra": [{"text": 3}]}, r"input_extra"),
        ({"stop": [""]}, "stop"),
        ({"grammar": 'root ::= "a"'}, "grammar"),
        ({"json_schema": {"type": "object"}}, "json_schema"),
    ],
)
def test_a_bad_request_is_refused_in_llama_cpps_shape(http: httpx.Client, body: dict[str, Any], named: str) -> None:
    response = http.post("/infill", json={"input_prefix": "a"} | body)
    error = response.json()["error"]
    assert response.status_code == error["code"] == 400
    assert error["type"] == "invalid_request_error"
    assert named in error["message"]
