"""`Target`: which model of which server is measured."""

import msgspec


class Target(msgspec.Struct, frozen=True):
    """A model on an OpenAI-compatible server.

    ``url`` ends in ``/v1``; ``model`` is what requests name; ``name`` is what tables call it, such as
    ``qwen2.5-coder:0.5b`` or ``llama.cpp: qwen2.5-coder-0.5b``. The key is never written down.
    """

    url: str
    model: str
    name: str
    api_key: str | None = None


class TargetFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a server tells of itself and of its model; None where it does not."""

    engine: str | None = None  # with its version: "sevenb 0.1.0", "llama.cpp b6993"
    device: str | None = None
    quantization: str | None = None
    context_length: int | None = None  # tokens that one request may take, answer included
    model_sha256: str | None = None
    template_sha256: str | None = None
    parameters: int | None = None
    max_sequences: int | None = None  # that it computes at once
    serve_options: tuple[str, ...] = ()  # with which the lab started it, where it did
