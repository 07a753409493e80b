"""Factors that make a head's key channels alike in size, so that a cache of few bits rounds them alike.

A pair of channels that RoPE turns together may be multiplied by any factor in the key and divided by it in the query:
their product stays. After SmoothQuant (arXiv 2211.10438), with the sizes told from the weights alone.
"""

import numpy as np

from sevenb.backend.protocol import FloatArray
from sevenb.model.config import ModelConfig


def key_balance(
    config: ModelConfig,
    query_norms: FloatArray,
    key_norms: FloatArray,
    query_bias: FloatArray,
    key_bias: FloatArray,
) -> FloatArray:
    """What keys are multiplied by and queries divided by, powers of two so that nothing is rounded: [rows of key].

    The norms are those of the rows of the projections' weights, times what the norm before them multiplies by: the
    spread of a channel, to which its bias adds a constant part. The bias of a slow pair does not count: it hardly
    differs between neighbouring keys, and what they share is kept apart (``native/kv_integers.h``).
    """
    heads, rotary = config.kv_heads, config.rope.dim
    turning = np.ones(rotary // 2)
    turning[len(turning) // 2 :] = 0
    key_power = _pair_power(config, key_norms) + turning * _pair_power(config, key_bias)
    query_power = _pair_power(config, query_norms) + _pair_power(config, query_bias)
    query_power = query_power.reshape(heads, -1, rotary // 2).mean(axis=1)
    exponents = 0.25 * np.log2(np.maximum(query_power, 1e-30) / np.maximum(key_power, 1e-30))
    exponents -= exponents.mean(axis=1, keepdims=True)
    balance = np.ones((heads, config.head_dim), np.float32)
    balance[:, _pairs(config)] = np.exp2(np.rint(np.clip(exponents, -8, 8)))[:, :, None]
    return balance.ravel()


def after_head_norm(row_norms: FloatArray, norm: FloatArray) -> FloatArray:
    """The spread of channels once each head is RMS-normed with the weight ``norm`` [head_dim]: [rows].

    A head is as large as any other then; how its channels compare with each other is left, times the weight. What a
    bias would add is not told.
    """
    heads = row_norms.astype(np.float64).reshape(-1, len(norm))
    size = np.sqrt(np.mean(np.square(heads), axis=1, keepdims=True))
    spread: FloatArray = (heads / np.maximum(size, 1e-30) * norm).astype(np.float32).ravel()
    return spread


def _pairs(config: ModelConfig) -> np.ndarray[tuple[int, int], np.dtype[np.intp]]:
    """The two channels of each pair: [rotary_dim / 2, 2]."""
    channels = np.arange(config.rope.dim)
    return channels.reshape(-1, 2) if config.rope.interleaved else channels.reshape(2, -1).T


def _pair_power(config: ModelConfig, rows: FloatArray) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """Sums of squares of each head's pairs: [heads, rotary_dim / 2]."""
    power: np.ndarray[tuple[int, int], np.dtype[np.float64]] = np.square(
        rows.astype(np.float64).reshape(-1, config.head_dim)[:, _pairs(config)]
    ).sum(axis=-1)
    return power
