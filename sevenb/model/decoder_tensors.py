"""Which tensors a decoder asks for, by their names in GGUF files, and whether a model has them in the right shapes."""

from collections.abc import Callable, Iterator, Mapping
from typing import NoReturn

from sevenb.backend.quant_types import RawTensor
from sevenb.model.config import ModelConfig
from sevenb.model.gguf_header import quoted

ROPE_FACTORS = "rope_freqs.weight"
_CLASSIFIER = "cls.output.weight"  # a reranker's head once more: the rows of its "yes" and "no"

Refuse = Callable[[str], NoReturn]


def check_tensors(
    config: ModelConfig,
    tensors: Mapping[str, RawTensor],
    *,
    corrupt: Refuse,
    unsupported: Refuse,
    named: Callable[[str], str] = quoted,
) -> None:
    """Compare names and shapes of all tensors with what the decoder of ``config`` asks for.

    Of the two that raise, ``corrupt`` is told of contradictions, ``unsupported`` of tensors that need another decoder.
    What they call a tensor is ``named``.
    """
    required = dict(_required_shapes(config))
    optional = dict(_optional_shapes(config))
    allowed = required | optional
    for name, tensor in tensors.items():
        if name not in allowed:
            unsupported(f"has the tensor {named(name)}, for which a {config.architecture} decoder has no place")
        if tensor.shape != allowed[name]:
            corrupt(f"the tensor {named(name)} has the shape {tensor.shape}, not {allowed[name]}")
    if missing := required.keys() - tensors.keys():
        corrupt(f"it lacks the tensor {named(min(missing))}")


def _required_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    hidden, intermediate = config.hidden_size, config.intermediate_size
    query, key = config.heads * config.head_dim, config.kv_heads * config.head_dim
    yield "token_embd.weight", (config.vocab_size, hidden)
    yield "output_norm.weight", (hidden,)
    for layer in range(config.layers):
        block = f"blk.{layer}."
        yield block + "attn_norm.weight", (hidden,)
        yield block + "attn_q.weight", (query, hidden)
        yield block + "attn_k.weight", (key, hidden)
        yield block + "attn_v.weight", (key, hidden)
        yield block + "attn_output.weight", (hidden, query)
        yield block + "ffn_norm.weight", (hidden,)
        yield block + "ffn_gate.weight", (intermediate, hidden)
        yield block + "ffn_up.weight", (intermediate, hidden)
        yield block + "ffn_down.weight", (hidden, intermediate)
        if config.architecture == "qwen2":
            yield from _bias_shapes(config, block)
        if config.architecture == "qwen3":
            yield block + "attn_q_norm.weight", (config.head_dim,)
            yield block + "attn_k_norm.weight", (config.head_dim,)


def _optional_shapes(config: ModelConfig) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "output.weight", (config.vocab_size, config.hidden_size)  # absent: the embedding table serves
    if config.rope.frequency_factors is not None:
        yield ROPE_FACTORS, (config.rope.dim // 2,)
    if config.architecture == "qwen3":
        yield _CLASSIFIER, (2, config.hidden_size)
    else:
        for layer in range(config.layers):
            yield from _bias_shapes(config, f"blk.{layer}.")


def _bias_shapes(config: ModelConfig, block: str) -> Iterator[tuple[str, tuple[int, ...]]]:
    key = config.kv_heads * config.head_dim
    yield block + "attn_q.bias", (config.heads * config.head_dim,)
    yield block + "attn_k.bias", (key,)
    yield block + "attn_v.bias", (key,)
