"""Choosing a token from one row of logits: the plain statement of what `SampleControl` documents."""

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import FloatArray, SampleControl, Sampled


def sample_row(logits: FloatArray, control: SampleControl) -> Sampled:
    """Choose one token from logits [V] and attach the log-probabilities asked for."""
    token_id = _choose(_adjust(logits, control), control)
    if control.logprobs is None:
        return Sampled(token_id)
    return with_logprobs(logits, token_id, control.logprobs)


def with_logprobs(logits: FloatArray, token_id: int, top: int) -> Sampled:
    """``token_id`` with its log-probability and the ``top`` best of logits [V], ties by lower id."""
    wide = np.where(np.isnan(logits), -np.inf, logits).astype(np.float64)
    logprobs = wide - _log_sum_exp(wide)
    best = np.lexsort((np.arange(len(wide)), -wide))[:top]
    return Sampled(token_id, float(logprobs[token_id]), tuple((int(i), float(logprobs[i])) for i in best))


def _adjust(logits: FloatArray, control: SampleControl) -> FloatArray:
    """Mask, bias and penalties, in the order of `SampleControl`."""
    adjusted = np.where(np.isnan(logits), np.float32(-np.inf), logits).astype(np.float32)
    if control.allowed is not None:
        bits = np.unpackbits(control.allowed.view(np.uint8), bitorder="little")[: len(adjusted)]
        adjusted[bits == 0] = -np.inf
    for token_id, bias in (control.logit_bias or {}).items():
        adjusted[token_id] += np.float32(bias)
    counts = control.output_counts or {}
    if control.repetition_penalty != 1.0:
        prompt = control.prompt_tokens if control.prompt_tokens is not None else np.empty(0, np.int32)
        seen = np.union1d(prompt, np.fromiter(counts, np.int32, len(counts)))
        values, penalty = adjusted[seen], np.float32(control.repetition_penalty)
        adjusted[seen] = np.where(values > 0, values / penalty, values * penalty)
    for token_id, count in counts.items():
        adjusted[token_id] -= np.float32(control.presence_penalty + control.frequency_penalty * count)
    return adjusted


def _choose(adjusted: FloatArray, control: SampleControl) -> int:
    """Temperature, top-k, top-p, min-p, then the inverse CDF at ``uniform``."""
    if control.temperature == 0 or not np.isfinite(adjusted.max()):
        return int(np.argmax(adjusted))
    wide = adjusted.astype(np.float64) / control.temperature
    order = np.lexsort((np.arange(len(wide)), -wide))
    if control.top_k > 0:
        order = order[: control.top_k]
    probabilities = np.exp(wide[order] - wide[order[0]])
    probabilities /= probabilities.sum()
    if control.top_p < 1.0:
        # A token stays while the mass before it is below top_p, so the first always stays.
        before = np.cumsum(probabilities) - probabilities
        probabilities = probabilities[before < control.top_p]
    if control.min_p > 0.0:
        probabilities = probabilities[probabilities >= control.min_p * probabilities[0]]
    cumulative = np.cumsum(probabilities)
    index = int(np.searchsorted(cumulative, control.uniform * cumulative[-1], side="right"))
    return int(order[min(index, len(probabilities) - 1)])


def _log_sum_exp(values: npt.NDArray[np.float64]) -> float:
    highest = values.max()
    return float(highest + np.log(np.exp(values - highest).sum()))
