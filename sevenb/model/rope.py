"""Rotary position embedding: the angles of every position, plain or stretched, and which of these a request gets.

RoFormer (arXiv 2104.09864); Llama 3 scaling as in Meta's reference code; YaRN (arXiv 2309.00071).
"""

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sevenb.errors import UnsupportedModel
from sevenb.model.config import ModelConfig, RopeConfig

YARN_FACTORS = (2, 4)
YARN_CONTEXT = 131_072  # tokens; what Qwen documents YaRN to reach for Qwen2.5

_GROWTH = 1024  # positions added to the table at a time


def rope_contexts(model: ModelConfig) -> Mapping[str, int]:
    """How many tokens each way to rotate reaches, by the name of its profile, shortest first.

    ``""`` is the model's own way. Qwen's models without a scaling of their own have two more, ``yarn2`` and ``yarn4``:
    Qwen documents factor 4 for 131,072 tokens and advises the smallest factor that does, 2 for 65,536, because a
    stretch costs quality at every length.
    """
    if model.rope.scaling is not None or model.rope.frequency_factors is not None:
        return {"": model.context_length}
    return reachable_contexts(model.architecture, model.context_length)


def reachable_contexts(architecture: str, own: int) -> Mapping[str, int]:
    """`rope_contexts` of a model made for ``own`` tokens whose rotation has no scaling yet."""
    factors = YARN_FACTORS if architecture == "qwen2" else ()
    return {"": own} | {f"yarn{factor}": factor * own for factor in factors if factor * own <= YARN_CONTEXT}


class RopeProfiles:
    """The ways a loaded model may rotate, as far as requests of ``max_model_len`` tokens need them.

    A request keeps its profile for life, since keys of one profile are of no use to another.
    """

    def __init__(self, model: ModelConfig, max_model_len: int | None = None) -> None:
        longest = model.context_length if max_model_len is None else max_model_len
        contexts = {}
        for name, context in rope_contexts(model).items():
            contexts[name] = min(context, longest)
            if context >= longest:
                break
        self.contexts: Mapping[str, int] = contexts
        self._room = model.context_length // 8
        self._profiles = {name: RopeProfile(_stretched(model, name)) for name in self.contexts}

    def choose(self, prompt_tokens: int, max_tokens: int | None) -> str:
        """The first profile that holds prompt and answer; the longest where none does.

        An answer of no stated length is given room for an eighth of the model's own context.
        """
        needed = prompt_tokens + (self._room if max_tokens is None else max_tokens)
        return next((name for name, context in self.contexts.items() if context >= needed), list(self.contexts)[-1])

    def angles(
        self, positions: npt.NDArray[np.int32], profile: str = ""
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Cosine and sine for each position: two float32 arrays [T, dim / 2]."""
        return self._profiles[profile].angles(positions)


def _stretched(model: ModelConfig, profile: str) -> RopeConfig:
    if not profile:
        return model.rope
    factor = float(profile.removeprefix("yarn"))
    return replace(model.rope, scaling="yarn", factor=factor, original_context=model.context_length)


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
