"""Raw tensors under our names, made of what the safetensors files of a folder hold."""

from collections.abc import Iterator, Mapping
from typing import Any

from sevenb.backend.quant_types import RawTensor
from sevenb.model.gguf_header import quoted
from sevenb.model.hf.names import HEAD, canonical_module, is_computed
from sevenb.model.hf.quantization_config import Quantization
from sevenb.model.hf.quantized import is_quantized, quantized_parts, read_quantized
from sevenb.model.hf.sidecars import corrupt, unsupported
from sevenb.model.safetensors import SafetensorsEntry

Parts = tuple[SafetensorsEntry, ...]


def canonical_tensors(
    entries: Mapping[str, SafetensorsEntry], config: Mapping[str, Any], quantization: Quantization | None, source: str
) -> tuple[dict[str, RawTensor], dict[str, Parts]]:
    """The tensors by our names, and for each the entries whose bytes it is made of.

    Whether they are all that a decoder needs is not checked here. Raises `CorruptModelFile` and `UnsupportedModel`.
    """
    tensors: dict[str, RawTensor] = {}
    parts: dict[str, Parts] = {}
    tied = config.get("tie_word_embeddings") is True
    for module, kinds in _modules(entries):
        if tied and module == HEAD:
            continue  # the embedding once more
        canonical = canonical_module(module)
        quantized = is_quantized(module, entries)
        if quantized and canonical is not None:
            if quantization is None:
                corrupt(source, f"{quoted(module)} is stored in integers, and no quantization_config says how")
            name = f"{canonical}.weight"
            tensor = read_quantized(name, module, entries, quantization)
            if name == "token_embd.weight" and tensor.column_order is not None:
                unsupported(source, "has an embedding in act-order, which no tool makes")
            _keep(tensors, tensor, source)
            parts[name] = tuple(entries[part] for part in quantized_parts(module) if part in entries)
            kinds = [kind for kind in kinds if f"{module}.{kind}" not in quantized_parts(module)]
        for kind in kinds:
            entry = entries[f"{module}.{kind}" if kind else module]
            if kind == "bias" and quantized and _has_no_bias(canonical) and not entry.data.any():
                continue  # tools that quantise give every layer a bias, of zeros where the model has none
            if canonical is None or kind not in ("weight", "bias"):
                unsupported(source, f"has the tensor {quoted(entry.name)}, for which our decoder has no place")
            name = f"{canonical}.{kind}"
            _keep(tensors, entry.tensor(name), source)
            parts[name] = (entry,)
    return tensors, parts


def _modules(entries: Mapping[str, SafetensorsEntry]) -> Iterator[tuple[str, list[str]]]:
    """Each module with the kinds of tensors it has, in the order of the files."""
    modules: dict[str, list[str]] = {}
    for name in entries:
        if not is_computed(name):
            module, _, kind = name.rpartition(".")
            modules.setdefault(module, []).append(kind) if module else modules.setdefault(name, []).append("")
    return iter(modules.items())


def _has_no_bias(canonical: str | None) -> bool:
    return canonical is None or not canonical.endswith((".attn_q", ".attn_k", ".attn_v"))


def _keep(tensors: dict[str, RawTensor], tensor: RawTensor, source: str) -> None:
    if tensor.name in tensors:
        corrupt(source, f"two of its tensors mean {quoted(tensor.name)}")
    tensors[tensor.name] = tensor
