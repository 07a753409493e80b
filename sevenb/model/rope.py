"""Rotary position embedding: the angles of every position, plain or stretched.

RoFormer (arXiv 2104.09864); Llama 3 scaling as in Meta's reference code; YaRN (arXiv 2309.00071).
"""

import math

import numpy as np
import numpy.typing as npt

from sevenb.errors import UnsupportedModel
from sevenb.model.config import RopeConfig

_GROWTH = 1024  # positions added to the table at a time


class RopeProfile:
    """Cosines and sines of one `RopeConfig`, computed in float64 and kept as a table that grows on demand."""

    def __init__(self, config: RopeConfig) -> None:
        self._frequencies = inverse_frequencies(config)
        self._magnitude = attention_magnitude(config)
        self._cos = np.empty((0, config.dim // 2), np.float32)
        self._sin = np.empty((0, config.dim // 2), np.float32)

    def angles(self, positions: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Cosine and sine for each position: two float32 arrays [T, dim / 2], scaled by YaRN's magnitude if any."""
        if len(positions) and (highest := int(positions.max())) >= len(self._cos):
            self._grow(highest + 1)
        return self._cos[positions], self._sin[positions]

    def _grow(self, length: int) -> None:
        start, stop = len(self._cos), -(-length // _GROWTH) * _GROWTH
        angles = np.outer(np.arange(start, stop, dtype=np.float64), self._frequencies)
        cos, sin = np.cos(angles) * self._magnitude, np.sin(angles) * self._magnitude
        self._cos = np.concatenate([self._cos, cos.astype(np.float32)])
        self._sin = np.concatenate([self._sin, sin.astype(np.float32)])


def inverse_frequencies(config: RopeConfig) -> npt.NDArray[np.float64]:
    """Radians a position for each of the ``dim / 2`` pairs, after scaling."""
    exponents = np.arange(0, config.dim, 2, dtype=np.float64) / config.dim
    frequencies: npt.NDArray[np.float64] = config.base**-exponents
    if config.frequency_factors is not None:
        return frequencies / np.asarray(config.frequency_factors, np.float64)
    match config.scaling:
        case None:
            return frequencies
        case "linear":
            return frequencies / config.factor
        case "llama3":
            return _llama3(frequencies, config)
        case "yarn":
            return _yarn(frequencies, config)
    raise UnsupportedModel(
        f"RoPE scaling {config.scaling!r} is not supported; linear, llama3 and yarn are; use another file of it."
    )


def attention_magnitude(config: RopeConfig) -> float:
    """What YaRN multiplies cosine and sine by (its attention temperature); 1 for every other scaling."""
    if config.scaling != "yarn":
        return 1.0
    if config.attention_factor is not None:
        return config.attention_factor
    return 0.1 * math.log(config.factor) + 1.0 if config.factor > 1 else 1.0


def _llama3(frequencies: npt.NDArray[np.float64], config: RopeConfig) -> npt.NDArray[np.float64]:
    wavelengths = 2 * math.pi / frequencies
    low, high = config.low_frequency_factor, config.high_frequency_factor
    smooth = np.clip((config.original_context / wavelengths - low) / (high - low), 0.0, 1.0)
    return (1 - smooth) * frequencies / config.factor + smooth * frequencies


def _yarn(frequencies: npt.NDArray[np.float64], config: RopeConfig) -> npt.NDArray[np.float64]:
    low, high = (_yarn_dimension(config, turns) for turns in (config.beta_fast, config.beta_slow))
    low, high = max(math.floor(low), 0), min(math.ceil(high), config.dim - 1)
    ramp = np.clip((np.arange(config.dim // 2) - low) / max(high - low, 0.001), 0.0, 1.0)
    return frequencies * (1 - ramp) + frequencies / config.factor * ramp


def _yarn_dimension(config: RopeConfig, turns: float) -> float:
    """The pair whose angle makes ``turns`` full turns over the original context."""
    return config.dim * math.log(config.original_context / (turns * 2 * math.pi)) / (2 * math.log(config.base))
