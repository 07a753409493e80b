"""What servers tell of themselves, each in its own way."""

import asyncio
from typing import Any

import pytest

from sevenb.lab.progress import silent_progress
from sevenb.lab.target.opening import open_target
from sevenb.lab.target.target import TargetFacts
from tests.lab.target.raw_server import raw_server

LLAMA_CPP = {
    "/props": {
        "default_generation_settings": {"n_ctx": 1024},
        "total_slots": 2,
        "chat_template": "{{ messages }}",
        "build_info": "b11434-abc",
    }
}
VLLM = {"/version": {"version": "0.11.0"}}
OLLAMA = {
    "/api/version": {"version": "0.12.6"},
    "/api/show": {
        "details": {"quantization_level": "Q4_K_M"},
        "model_info": {"general.parameter_count": 494032768, "qwen2.context_length": 32768},
        "template": "{{ .Prompt }}",
    },
    "/api/ps": {"models": [{"name": "coder", "context_length": 4096}]},
    "/api/tags": {"models": [{"name": "coder", "digest": "f" * 64}]},
}
LM_STUDIO = {
    "/api/v0/models/coder": {
        "id": "coder", "quantization": "Q8_0", "loaded_context_length": 8192, "max_context_length": 32768,
    },
}  # fmt: skip


def card(owner: str, **fields: Any) -> dict[str, Any]:
    return {"object": "list", "data": [{"id": "coder", "object": "model", "owned_by": owner, **fields}]}


@pytest.mark.parametrize(
    ("models", "others", "name", "facts"),
    [
        (
            card("llamacpp", meta={"n_ctx": 2048, "n_params": 630167424}),
            LLAMA_CPP,
            "llama.cpp: coder",
            {"engine": "llama.cpp b11434-abc", "context_length": 1024, "max_sequences": 2, "parameters": 630167424},
        ),
        (card("vllm", max_model_len=40960), VLLM, "vLLM: coder", {"engine": "vLLM 0.11.0", "context_length": 40960}),
        (
            card("library"),
            OLLAMA,
            "Ollama: coder",
            {"engine": "Ollama 0.12.6", "context_length": 4096, "quantization": "Q4_K_M", "model_sha256": None},
        ),
        (
            card("organization_owner"),
            LM_STUDIO,
            "LM Studio: coder",
            {"engine": "LM Studio", "context_length": 8192, "quantization": "Q8_0"},
        ),
        (card("somebody"), {}, "somebody: coder", {"engine": "somebody", "context_length": None}),
    ],
    ids=["llama.cpp", "vLLM", "Ollama", "LM Studio", "another"],
)
def test_facts_of_the_servers_of_the_field(
    models: Any, others: dict[str, Any], name: str, facts: dict[str, Any]
) -> None:
    async def ask() -> tuple[str, TargetFacts]:
        async with (
            raw_server(models=models, others=others) as raw,
            open_target(None, raw.url.removesuffix("/v1"), None, progress=silent_progress()) as client,
        ):
            return client.target.name, await client.facts()

    found_name, found = asyncio.run(ask())
    assert found_name == name
    assert {field: getattr(found, field) for field in facts} == facts
