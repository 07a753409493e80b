"""From a GGUF file's metadata and tensor table to a `ModelConfig` that is known to fit the weights.

Keys as in the GGUF specification and llama.cpp's ``gguf-py/gguf/constants.py``. Hostile numbers are refused here, so
that whoever allocates by the config never meets one.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import NoReturn

import numpy as np

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import UnsupportedModel
from sevenb.model.config import ModelConfig, RopeConfig
from sevenb.model.decoder_tensors import ROPE_FACTORS, check_tensors
from sevenb.model.gguf_header import MetadataValue, corrupt, quoted
from sevenb.model.gguf_strings import StringArray

_ARCHITECTURES = ("qwen2", "qwen3", "llama")
_MAX_CONTEXT = 1 << 24
_MAX_SIZE = 1 << 24

# Files of Qwen2.5 with 7B weights and more often state the context that YaRN gives them, although they were trained
# with a quarter of it (Qwen2.5 report, arXiv 2412.15115) and Qwen's present configurations say so.
_QWEN_STATED_CONTEXT, _QWEN_TRAINED_CONTEXT, _QWEN_ROPE_BASE = 131_072, 32_768, 1e6

# Keys of {architecture}.* that change what a decoder computes, in ways this one does not know.
_FOREIGN_KEYS = (
    "attention.clamp_kqv", "attention.max_alibi_bias", "attention.scale", "attention.sliding_window_pattern",
    "attention.temperature_scale", "attn_logit_softcapping", "embedding_scale", "final_logit_softcapping",
    "logit_scale", "residual_scale", "rope.scaling.alpha", "rope.scaling.yarn_log_multiplier", "use_parallel_residual",
)  # fmt: skip

_FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 21: "Q2_K_S", 32: "BF16",
}  # fmt: skip
_GUESSED_FILE_TYPE = 1024  # a flag in general.file_type


def config_from_gguf(
    metadata: Mapping[str, MetadataValue], tensors: Mapping[str, RawTensor], source: str = "The file"
) -> ModelConfig:
    """What decoder the file describes; ``source`` names the file in errors.

    Every tensor the decoder will ask for is known to be there and to have its shape. Raises `CorruptModelFile` for
    what contradicts itself and `UnsupportedModel` for what is sound but needs another decoder.
    """
    architecture = _architecture(metadata, source)
    keys = _Keys(metadata, architecture, source)
    heads = keys.integer("attention.head_count")
    kv_heads = keys.integer("attention.head_count_kv", default=heads)
    if heads % kv_heads:
        corrupt(source, f"it has {heads} attention heads, no multiple of its {kv_heads} KV heads")
    hidden_size = keys.integer("embedding_length")
    head_dim = _head_dim(keys, hidden_size, heads)
    stated_context = keys.integer("context_length", high=_MAX_CONTEXT)
    rope = _rope(keys, head_dim, stated_context, tensors.get(ROPE_FACTORS))
    config = ModelConfig(
        architecture=architecture,
        # A hostile name may not write to a terminal.
        name="".join(filter(str.isprintable, keys.text("general.name", default=source)))[:200],
        vocab_size=_vocab_size(metadata, tensors, source),
        hidden_size=hidden_size,
        intermediate_size=keys.integer("feed_forward_length"),
        layers=keys.integer("block_count", high=len(tensors)),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        norm_eps=keys.number("attention.layer_norm_rms_epsilon", low=0.0, high=1.0),
        context_length=trained_context(architecture, stated_context, rope),
        rope=rope,
        sliding_window=keys.integer("attention.sliding_window", low=0, high=_MAX_CONTEXT, default=0) or None,
        parameters=sum(math.prod(tensor.shape) for name, tensor in tensors.items() if name != ROPE_FACTORS),
        quantization=_quantization(metadata, tensors),
    )
    check_tensors(
        config,
        tensors,
        corrupt=lambda reason: corrupt(source, reason),
        unsupported=lambda reason: _unsupported(source, reason),
    )
    return config


# -- what the metadata says ----------------------------------------------------------------------------


class _Keys:
    """Typed, bounded look-ups of ``{architecture}.*`` and of ``general.*`` keys."""

    def __init__(self, metadata: Mapping[str, MetadataValue], architecture: str, source: str) -> None:
        self._metadata = metadata
        self.architecture = architecture
        self._source = source

    def integer(self, key: str, *, low: int = 1, high: int = _MAX_SIZE, default: int | None = None) -> int:
        """A whole number in ``[low, high]``."""
        value = self._get(key, default)
        if isinstance(value, np.ndarray):
            self.unsupported(f"has one {key} for each layer")
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            self.corrupt(f"{self._full(key)} is {_shown(value)}, not a whole number from {low:,} to {high:,}")
        return value

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """A finite number in ``(low, high]``."""
        value = self._get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not low < value <= high:
            self.corrupt(f"{self._full(key)} is {_shown(value)}, not a number above {low:g} and up to {high:g}")
        return float(value)

    def text(self, key: str, default: str) -> str:
        value = self._get(key, default)
        if not isinstance(value, str):
            self.corrupt(f"{self._full(key)} is {_shown(value)}, not a text")
        return value

    def has(self, key: str) -> bool:
        return self._full(key) in self._metadata

    def corrupt(self, reason: str) -> NoReturn:
        corrupt(self._source, reason)

    def unsupported(self, reason: str) -> NoReturn:
        _unsupported(self._source, reason)

    def _full(self, key: str) -> str:
        return key if key.startswith("general.") else f"{self.architecture}.{key}"

    def _get(self, key: str, default: int | float | str | None) -> MetadataValue:
        value = self._metadata.get(self._full(key), default)
        if value is None:
            self.corrupt(f"it lacks {self._full(key)}")
        return value


def _architecture(metadata: Mapping[str, MetadataValue], source: str) -> str:
    """``qwen2``, ``qwen3`` or ``llama``; everything else, and relatives that compute differently, are refused."""
    kind = metadata.get("general.type", "model")
    if not isinstance(kind, str) or kind != "model":
        _unsupported(source, f"holds a {_shown(kind)}, not a model")
    architecture = metadata.get("general.architecture")
    if not isinstance(architecture, str):
        corrupt(source, "it lacks general.architecture")
    if architecture not in _ARCHITECTURES:
        _unsupported(source, f"is of the architecture {quoted(architecture)}")
    experts = metadata.get(f"{architecture}.expert_count", 0)
    if not isinstance(experts, int) or experts:
        _unsupported(source, f"is a mixture of {_shown(experts)} experts")
    if metadata.get(f"{architecture}.attention.causal", True) is not True:
        _unsupported(source, "lets tokens attend to those behind them")
    for key in _FOREIGN_KEYS:
        if metadata.get(f"{architecture}.{key}", False) is not False:
            _unsupported(source, f"sets {architecture}.{key}")
    return architecture


def _head_dim(keys: _Keys, hidden_size: int, heads: int) -> int:
    if not keys.has("attention.key_length") and hidden_size % heads:
        keys.corrupt(f"its hidden size {hidden_size} is no multiple of its {heads} heads")
    head_dim = keys.integer("attention.key_length", default=hidden_size // heads)
    if head_dim != keys.integer("attention.value_length", default=head_dim):
        keys.unsupported("has values and keys of different lengths")
    return head_dim


def _vocab_size(metadata: Mapping[str, MetadataValue], tensors: Mapping[str, RawTensor], source: str) -> int:
    """Rows of the embedding table: as many as the tokenizer has tokens, since any of them may be sampled."""
    table = tensors.get("token_embd.weight")
    if table is None or len(table.shape) != 2:
        corrupt(source, "it lacks the tensor 'token_embd.weight', or that is no matrix")
    tokens = metadata.get("tokenizer.ggml.tokens")
    if isinstance(tokens, StringArray) and len(tokens) != table.rows:
        corrupt(source, f"it has {len(tokens):,} tokens but embeddings for {table.rows:,}")
    return table.rows


def _rope(keys: _Keys, head_dim: int, context_length: int, factors: RawTensor | None) -> RopeConfig:
    dim = keys.integer("rope.dimension_count", high=head_dim, default=head_dim)
    if dim % 2:
        keys.corrupt(f"it rotates {dim} dimensions of a head, an odd number")
    rope = RopeConfig(
        base=keys.number("rope.freq_base", low=1.0, high=1e12, default=10000.0),
        dim=dim,
        # Files of `llama` have the rows of Q and K permuted so that the two halves of a pair are neighbours.
        interleaved=keys.architecture == "llama",
    )
    scaling = keys.text("rope.scaling.type", default="none")
    if scaling not in ("none", "linear", "yarn"):
        keys.unsupported(f"stretches RoPE by the method {quoted(scaling)}")
    factor = keys.number("rope.scaling.factor", low=0.0, high=1e6, default=1.0)
    stretched = scaling != "none" and factor != 1.0
    if factors is not None:
        if stretched:
            keys.unsupported(f"stretches RoPE both by {scaling!r} and by {ROPE_FACTORS!r}")
        return replace(rope, frequency_factors=_frequency_factors(keys, dim, factors))
    if not stretched:
        return rope
    rope = replace(rope, scaling=scaling, factor=factor)
    return rope if scaling == "linear" else _yarn(keys, rope, context_length)


def _yarn(keys: _Keys, rope: RopeConfig, context_length: int) -> RopeConfig:
    if keys.number("rope.scaling.yarn_ext_factor", low=-2.0, high=1e6, default=1.0) not in (1.0, -1.0):
        keys.unsupported("mixes YaRN's two ways of stretching in its own proportion")
    # The file's factors multiply YaRN's own magnitude; `RopeConfig` holds the product.
    multiplier = keys.number("rope.scaling.attn_factor", low=0.0, high=1e3, default=1.0)
    multiplier *= keys.number("rope.scaling.yarn_attn_factor", low=0.0, high=1e3, default=1.0)
    magnitude = 1.0 + 0.1 * math.log(rope.factor) if rope.factor > 1.0 else 1.0
    return replace(
        rope,
        original_context=keys.integer(
            "rope.scaling.original_context_length", high=_MAX_CONTEXT, default=context_length
        ),
        attention_factor=None if multiplier == 1.0 else multiplier * magnitude,
        beta_fast=keys.number("rope.scaling.yarn_beta_fast", low=0.0, high=1e6, default=32.0),
        beta_slow=keys.number("rope.scaling.yarn_beta_slow", low=0.0, high=1e6, default=1.0),
    )


def trained_context(architecture: str, stated: int, rope: RopeConfig) -> int:
    """The context that a model was trained with, where its file is known to state another."""
    stretches_nothing = rope.scaling is None and rope.frequency_factors is None
    is_qwen = architecture == "qwen2" and rope.base == _QWEN_ROPE_BASE and stated == _QWEN_STATED_CONTEXT
    return _QWEN_TRAINED_CONTEXT if is_qwen and stretches_nothing else stated


def _frequency_factors(keys: _Keys, dim: int, tensor: RawTensor) -> tuple[float, ...]:
    if tensor.quant_type is not QuantType.F32 or tensor.shape != (dim // 2,):
        keys.corrupt(f"{ROPE_FACTORS!r} is not {dim // 2} float32 numbers")
    factors = np.frombuffer(tensor.data.tobytes(), "<f4")
    if not (np.isfinite(factors) & (factors > 0)).all():
        keys.corrupt(f"{ROPE_FACTORS!r} holds a factor that is not above zero")
    return tuple(factors.tolist())


def _quantization(metadata: Mapping[str, MetadataValue], tensors: Mapping[str, RawTensor]) -> str:
    """The file's own name for its mixture of types; without one, the type that takes most bytes."""
    file_type = metadata.get("general.file_type")
    if isinstance(file_type, int) and (name := _FILE_TYPES.get(file_type & ~_GUESSED_FILE_TYPE)):
        return name
    sizes: Counter[QuantType] = Counter()
    for tensor in tensors.values():
        sizes[tensor.quant_type] += tensor.nbytes
    return max(sizes, key=lambda quant_type: sizes[quant_type]).name


# -- words for people ----------------------------------------------------------------------------------


def _unsupported(source: str, reason: str) -> NoReturn:
    raise UnsupportedModel(
        f"{source} {reason}, which sevenb does not run; choose a GGUF file of the architecture qwen2, qwen3 or "
        "llama: Qwen2.5, Qwen3, Llama 3, Mistral, Yi, SmolLM2."
    )


def _shown(value: object) -> str:
    """A metadata value for an error message, never long."""
    return quoted(value) if isinstance(value, str) else " ".join(repr(value).split())[:80]
