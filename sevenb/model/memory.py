"""What keys and values take of memory, by their type: the arithmetic that sizes pools and plans."""

from typing import Literal, get_args

KVType = Literal["f16", "k16v8", "int8", "f32"]
KV_TYPES: tuple[KVType, ...] = get_args(KVType)

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


def _whole(count: int, unit: int) -> int:
    return -(-count // unit) * unit
