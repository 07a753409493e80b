"""`PlannedModel`: a model's shape by any of its names, without downloading its weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sevenb.errors import InvalidRequest, ModelNotFound, UnsupportedModel
from sevenb.lab.plan.quantization import Weights, quantization_of, sum_weights, weights_of
from sevenb.model.catalog import CATALOG, CatalogEntry, HubName
from sevenb.model.shape import ModelShape

_ARCHITECTURES = {
    "Qwen2ForCausalLM": "qwen2",
    "Qwen3ForCausalLM": "qwen3",
    "LlamaForCausalLM": "llama",
    "MistralForCausalLM": "llama",
    "YiForCausalLM": "llama",
}


@dataclass(frozen=True)
class PlannedModel:
    """A model as plans see it. ``quantization`` is that of the file which the name stands for.

    ``weights`` are that file's own, where it could be opened; others follow from the shape.
    """

    name: str
    shape: ModelShape
    quantization: str
    weights: Weights | None = None

    def weights_in(self, quantization: str) -> Weights:
        """Its weights in a quantization, by the name that `quantization_of` gives."""
        if self.weights is not None and quantization == self.weights.quantization:
            return self.weights
        return weights_of(self.shape, quantization)


def of_catalog(entry: CatalogEntry) -> PlannedModel:
    """A catalog model."""
    return PlannedModel(entry.name, entry.shape, entry.quantization)


def find_model(name: str) -> PlannedModel:
    """A catalog name, a GGUF file, a folder or ``config.json`` of Hugging Face's form, or a hub repository.

    Of a repository only ``config.json`` is fetched. Raises `ModelNotFound`, `UnsupportedModel`, `InvalidRequest` for a
    damaged config, and what opening a GGUF file raises.
    """
    from sevenb.model.store import Store

    reference = CATALOG.reference(name)
    if isinstance(reference, CatalogEntry):
        return of_catalog(reference)
    if isinstance(reference, HubName):
        stored = Store().stored(name)
        return _of_file(name, Store().resolve(name)) if stored else _of_hub(reference)
    path = reference
    if path.is_dir():
        path = path / "config.json"
        if not path.is_file():
            raise ModelNotFound(
                f"{reference} holds no config.json; name a GGUF file or a folder of Hugging Face's form."
            )
    if path.suffix == ".json":
        return PlannedModel(name, *_of_config(_json(path, name), name))
    return _of_file(path.stem, path)


def _of_file(name: str, path: Path) -> PlannedModel:
    from sevenb.model.checkpoint import Checkpoint

    with Checkpoint.open(path) as checkpoint:
        config, tensors = checkpoint.config, checkpoint.tensors
        shape = ModelShape.of(config, has_head="output.weight" in tensors)
        matrices = [
            (matrix.role, tensors[matrix.tensor].quant_type, matrix.rows, matrix.columns) for matrix in shape.matrices()
        ]
        vectors = sum(tensor.columns for tensor in tensors.values() if len(tensor.shape) == 1)
        try:
            quantization = quantization_of(config.quantization)
        except InvalidRequest:
            quantization = config.quantization or "mixed"
        return PlannedModel(name, shape, quantization, sum_weights(quantization, matrices, vectors))


def _of_hub(name: HubName) -> PlannedModel:
    from sevenb.model.download import SourceUnavailable
    from sevenb.model.sources.huggingface import repository_config

    repo = name.repo
    try:
        config = repository_config(repo)
    except SourceUnavailable as error:
        raise ModelNotFound(
            f"The config.json of {repo} cannot be had: Hugging Face {error}. Check the name (repositories of GGUF "
            "files often have no config; name the original model's), or download the model with `sevenb pull` first."
        ) from None
    return PlannedModel(repo, *_of_config(config, repo))


def _json(path: Path, name: str) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise InvalidRequest(f"The config of {name} is not JSON: {error}.", "model") from None


def _of_config(config: Any, name: str) -> tuple[ModelShape, str]:
    """Hugging Face's names; shape and quantization."""
    if not isinstance(config, dict):
        raise InvalidRequest(f"The config of {name} is no JSON object.", "model")
    architecture = next(
        (_ARCHITECTURES[kind] for kind in config.get("architectures") or () if kind in _ARCHITECTURES), ""
    )
    if not architecture:
        raise UnsupportedModel(
            f"{name} is of the architecture {config.get('architectures')!r:.80}, which sevenb does not run; plans are "
            "made for Qwen2.5, Qwen3, Llama, Mistral, Yi and their kin."
        )

    def number(key: str, default: int | None = None) -> int:
        value = config.get(key)
        if value is None and default is not None:
            return default
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
            raise InvalidRequest(
                f"The config of {name} has {key} {value!r:.40}; it must be a positive number.", "model"
            )
        return value

    hidden, heads = number("hidden_size"), number("num_attention_heads")
    shape = ModelShape(
        architecture=architecture,
        vocab_size=number("vocab_size"),
        hidden_size=hidden,
        intermediate_size=number("intermediate_size"),
        layers=number("num_hidden_layers"),
        heads=heads,
        kv_heads=number("num_key_value_heads", heads),
        head_dim=number("head_dim", hidden // heads),
        context_length=number("max_position_embeddings"),
        tied_embeddings=config.get("tie_word_embeddings") is True,
    )
    quantized = config.get("quantization_config")
    method = quantized.get("quant_method") if isinstance(quantized, dict) else None
    if method in ("awq", "gptq"):
        return shape, method.upper()
    return shape, "bf16" if config.get("torch_dtype", config.get("dtype")) == "bfloat16" else "fp16"
