"""What a model takes of memory when our CPU engine runs it: the arithmetic behind fits, pools and plans.

Activations follow the engine's buffers (`sevenb/backend/native/backend.py`, `native/linear.cpp`); tests hold all of it
against the running server.
"""

from typing import Literal, get_args

from sevenb.model.shape import ModelShape

KVType = Literal["f16", "k16v8", "int8", "f32"]
KV_TYPES: tuple[KVType, ...] = get_args(KVType)

STEP_TOKENS = 512  # that the engine computes at once, unless told otherwise

_PROCESS_BYTES = 53 * 2**20  # Python with NumPy and the kernels, before any model
_WORD_BYTES = 20  # of the vocabulary, which the header of the file lists
_TOKEN_BYTES = 160  # the engine's own notes of a token in the cache: ids, hashes, where it was seen before
_INT8_BLOCK, _INT16_BLOCK = 60, 104  # bytes of 32 activations (native/activations.h)

_ELEMENT_BYTES: dict[KVType, tuple[int, int]] = {"f16": (2, 2), "k16v8": (2, 1), "int8": (1, 1), "f32": (4, 4)}
_PANEL = 16  # columns that kernels read together
_CACHE_LINE = 64


def kv_block_bytes(layers: int, kv_heads: int, head_dim: int, block_size: int, dtype: KVType) -> int:
    """Bytes of one block of ``block_size`` positions over all layers, as `native/kv_cache.h` lays it out.

    Integers carry a float32 scale for each position and head, keys and values apart, and a centre for each head.
    """
    key, value = _ELEMENT_BYTES[dtype]
    integers = dtype in ("int8", "k16v8")
    depth = _whole(head_dim, 2) if integers else head_dim
    keys = key * _whole(block_size, _PANEL) * depth
    values = value * block_size * _whole(head_dim, _PANEL)
    scales = 4 * (_whole(block_size, _PANEL) + block_size) + _whole(head_dim, 2 * _PANEL) + 4 if integers else 0
    return _whole((keys + values + scales) * layers * kv_heads, _CACHE_LINE)


def activation_bytes(
    shape: ModelShape, *, rows: int = 1, context: int, tokens: int = STEP_TOKENS, floats: bool = False
) -> int:
    """Bytes of the buffers of a step of ``tokens`` tokens, ``rows`` of which have logits, and of the rotary tables.

    ``floats``: weights are plain numbers, so that activations are not rounded.
    """
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    hidden, inner = shape.hidden_size, shape.intermediate_size
    states = 4 * tokens * (hidden + 2 * query + 2 * kv)
    widest = max(hidden, query)
    if floats:
        inputs = 4 * tokens * (widest + inner)
    else:
        inputs = tokens * (widest * (_INT8_BLOCK + _INT16_BLOCK) + inner * _INT8_BLOCK) // 32
    return states + inputs + 4 * rows * shape.vocab_size + 4 * context * shape.head_dim


def torch_activation_bytes(shape: ModelShape, *, rows: int, tokens: int) -> int:
    """About what a step of ``tokens`` tokens takes on a card, ``rows`` of which are sampled from: it is measured later.

    The residual stream is float32, all else has 16 bits; sampling sorts a few copies of the logits.
    """
    query, kv = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    halves = shape.hidden_size + 2 * query + 2 * kv + 3 * shape.intermediate_size
    states = tokens * (4 * shape.hidden_size + 2 * halves)
    return states + 16 * rows * shape.vocab_size


def process_bytes(shape: ModelShape, *, cached_tokens: int) -> int:
    """Bytes of the engine's process without weights, keys and values, and activations."""
    return _PROCESS_BYTES + _WORD_BYTES * shape.vocab_size + _TOKEN_BYTES * cached_tokens


def kv_bytes_per_token(shape: ModelShape) -> int:
    """Bytes of K and V that one token takes over all layers, in float16."""
    return 2 * shape.layers * shape.kv_heads * shape.head_dim * 2


def memory_needed(shape: ModelShape, weight_bytes: int, context: int) -> int:
    """Bytes to run a model whose weights take ``weight_bytes``, with ``context`` tokens in a cache of float16."""
    beside = activation_bytes(shape, context=context) + process_bytes(shape, cached_tokens=context)
    return weight_bytes + kv_bytes_per_token(shape) * context + beside


def context_for(shape: ModelShape, weight_bytes: int, memory: int) -> int:
    """The most tokens with which `memory_needed` is no more than ``memory``; it grows by as much with each."""
    empty, full = (memory_needed(shape, weight_bytes, context) for context in (0, 1))
    return max(0, memory - empty) // (full - empty)


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit
