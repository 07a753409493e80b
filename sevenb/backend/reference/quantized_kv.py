"""What a KV cache of integers makes of keys and values: the rules of ``native/kv_integers.h``, stated on plain arrays.

The last axis is a head. A Hadamard transform spreads outlier channels over the head before rounding (QuaRot, arXiv
2404.00456); keys are rounded relative to a centre that 256 positions share.
"""

import numpy as np

from sevenb.backend.protocol import FloatArray

CENTRE_SPAN = 256  # positions that share a centre
KEY_RANGES = {"int8": 127, "k16v8": 1023}  # the largest integer of a key in each type of cache
VALUE_RANGE = 127


def rounded_keys(keys: FloatArray, centres: FloatArray, key_range: int) -> FloatArray:
    """``keys`` as the cache gives them back; ``centres``, of the same shape, as `slow_part` makes them."""
    offsets = _rounded(_turned(centres), VALUE_RANGE)
    return _turned_back(_rounded(_turned(keys) - offsets, key_range) + offsets)


def rounded_values(values: FloatArray) -> FloatArray:
    """``values`` as the cache gives them back."""
    return _turned_back(_rounded(_turned(values), VALUE_RANGE))


def slow_part(heads: FloatArray, rotary_dim: int, interleaved: bool) -> FloatArray:
    """``heads`` without the pairs that turn fast under RoPE: the first half of them."""
    pairs = np.arange(rotary_dim).reshape(-1, 2) if interleaved else np.arange(rotary_dim).reshape(2, -1).T
    slow = heads.copy()
    slow[..., pairs[: len(pairs) // 2].ravel()] = 0
    return slow


def _rounded(heads: FloatArray, largest: int) -> FloatArray:
    """To integers of one scale a head, and back."""
    unit = np.abs(heads).max(axis=-1, keepdims=True) / np.float32(largest)
    rounded: FloatArray = np.rint(np.divide(heads, unit, out=np.zeros_like(heads), where=unit > 0)) * unit
    return rounded


def _turned(heads: FloatArray) -> FloatArray:
    """The orthogonal Hadamard transform in blocks of the largest power of two that divides the head."""
    dim = heads.shape[-1]
    size = dim & -dim
    signs = np.array([[1 - 2 * ((i & j).bit_count() % 2) for j in range(size)] for i in range(size)], np.float32)
    turned: FloatArray = heads.reshape(*heads.shape[:-1], -1, size) @ (signs * np.float32(size**-0.5))
    return turned.reshape(heads.shape)


_turned_back = _turned  # it is its own inverse
