"""A Hugging Face folder behind every dialect, and what its makers recommend where a client leaves it open."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.conftest import Program, serving
from tests.model.hf.tiny_folder import write_tiny_folder

NAME = "Tiny-1.5-Instruct"
MESSAGES = [{"role": "user", "content": "hi"}]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """Random weights, whose texts differ at every draw, but for a recommendation to take the likeliest token."""
    recommended = {"do_sample": True, "temperature": 0.9, "top_k": 1, "top_p": 0.95, "eos_token_id": [258, 256]}
    folder = write_tiny_folder(tmp_path_factory.mktemp("models") / NAME, generation_config__json=recommended)
    with serving(folder) as running:
        yield running


@pytest.fixture
def http(tiny: Program) -> Iterator[httpx.Client]:
    with tiny.http as client:
        yield client


def _asked(http: httpx.Client, path: str, pick: Callable[[Any], str], body: dict[str, Any]) -> str:
    response = http.post(path, json={"model": NAME, "stream": False} | body)
    assert response.status_code == 200, response.text
    return pick(response.json())


_CHAT = {"messages": MESSAGES, "max_tokens": 12}
_OLLAMA = {"messages": MESSAGES, "options": {"num_predict": 12}}
DIALECTS: dict[str, tuple[str, Callable[[Any], str], dict[str, Any], dict[str, Any]]] = {
    "OpenAI's chat": (
        "/v1/chat/completions", lambda a: a["choices"][0]["message"]["content"], _CHAT, {"temperature": 3, "top_k": 0},
    ),
    "OpenAI's completions": (
        "/v1/completions", lambda a: a["choices"][0]["text"], {"prompt": "hi", "max_tokens": 12},
        {"temperature": 3, "top_k": 0},
    ),
    "OpenAI's responses": (
        "/v1/responses", lambda a: a["output"][0]["content"][0]["text"], {"input": "hi", "max_output_tokens": 16},
        {"temperature": 2, "top_k": 0},
    ),
    "Anthropic's": (
        "/v1/messages", lambda a: a["content"][0]["text"], _CHAT, {"temperature": 1, "top_k": 200},
    ),
    "Ollama's chat": (
        "/api/chat", lambda a: a["message"]["content"], _OLLAMA,
        {"options": {"num_predict": 12, "temperature": 3, "top_k": 0}},
    ),
    "Ollama's generate": (
        "/api/generate", lambda a: a["response"], {"prompt": "hi", "options": {"num_predict": 12}},
        {"options": {"num_predict": 12, "temperature": 3, "top_k": 0}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_a_request_leaves_out_is_as_the_models_makers_recommend(http: httpx.Client, dialect: str) -> None:
    path, pick, body, bold = DIALECTS[dialect]
    left_open = {_asked(http, path, pick, body) for _ in range(4)}
    chosen = {_asked(http, path, pick, body | bold) for _ in range(4)}
    assert len(left_open) == 1
    assert len(chosen) > 1


def test_a_response_states_the_temperature_that_it_was_made_with(http: httpx.Client) -> None:
    answer = http.post("/v1/responses", json={"model": NAME, "input": "hi", "max_output_tokens": 16}).json()
    assert (answer["temperature"], answer["top_p"]) == (0.9, 0.95)


def test_the_folder_is_told_by_its_name_and_numbers(http: httpx.Client) -> None:
    assert http.get("/v1/models").json()["data"][0]["id"] == NAME
    shown = http.post("/api/show", json={"model": NAME}).json()
    assert shown["details"]["quantization_level"] == "F32"
    assert shown["details"]["format"] == "safetensors"
    assert shown["model_info"]["qwen2.block_count"] == 2
    assert "<|im_start|>" in shown["template"]
    (tag,) = [tag for tag in http.get("/api/tags").json()["models"] if tag["name"] == NAME]
    assert tag["size"] > 10_000
    (card,) = [card for card in http.get("/console/api/models").json()["models"] if card["name"] == NAME]
    assert (card["family"], card["quantization"], card["context_length"]) == ("qwen2", "F32", 512)
    assert card["fit"]["fits"]
