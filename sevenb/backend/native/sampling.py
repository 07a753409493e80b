"""The native backend's sampler: gathers the controls of a step into flat arrays for one call into the kernels."""

from collections.abc import Sequence

import numpy as np

from sevenb.backend.native import _kernels
from sevenb.backend.protocol import FloatArray, IntArray, SampleControl, Sampled


def sample(pool: _kernels.ThreadPool, isa: str, logits: FloatArray, controls: Sequence[SampleControl]) -> list[Sampled]:
    """One token for each row of ``logits`` [R, V] float32, as `SampleControl` says; ``logits`` are not changed.

    NaN counts as minus infinity. Where nothing is above minus infinity the lowest allowed id is chosen;
    ValueError when a mask allows none, or a control names a token outside the vocabulary.
    """
    if len(logits) != len(controls):
        raise ValueError(f"{len(controls)} controls for {len(logits)} rows of logits")
    if all(map(_is_plain_argmax, controls)):
        return [Sampled(token_id) for token_id in _kernels.argmax(pool, isa, logits)]
    parameters = np.array([_parameters(control) for control in controls], np.float64)
    counts = np.array([_counts(control) for control in controls], np.int32)
    edits, edit_values = _edits(controls)
    masks = [control.allowed for control in controls]
    rows = _kernels.sample(pool, isa, logits, parameters, counts, edits, edit_values, masks)
    return [Sampled(*row) for row in rows]


def token_logprobs(
    pool: _kernels.ThreadPool,
    isa: str,
    logits: FloatArray,
    rows: Sequence[int],
    token_ids: Sequence[int],
    top: int,
) -> list[Sampled]:
    """The log-probability of a given token in each of ``rows`` of ``logits`` [R, V], with the ``top`` best there."""
    return [Sampled(*row) for row in _kernels.token_logprobs(pool, isa, logits, list(rows), list(token_ids), top)]


def _is_plain_argmax(control: SampleControl) -> bool:
    return (
        control.temperature == 0
        and control.logprobs is None
        and control.allowed is None
        and not control.logit_bias
        and not has_penalty(control)
    )


def has_penalty(control: SampleControl) -> bool:
    """Whether tokens that were there before count for less or more."""
    return control.repetition_penalty != 1.0 or control.presence_penalty != 0.0 or control.frequency_penalty != 0.0


def _parameters(control: SampleControl) -> tuple[float, ...]:
    return (
        control.temperature,
        control.top_p,
        control.min_p,
        control.uniform,
        control.repetition_penalty,
        control.presence_penalty,
        control.frequency_penalty,
    )


def _counts(control: SampleControl) -> tuple[int, int]:
    return control.top_k, -1 if control.logprobs is None else control.logprobs


def _edits(controls: Sequence[SampleControl]) -> tuple[IntArray, np.ndarray[tuple[int], np.dtype[np.float64]]]:
    """What changes single logits: [N, 3] of row, token and kind, and the [N] values."""
    edits: list[IntArray] = []
    values: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []

    def add(row: int, kind: int, ids: IntArray, amounts: np.ndarray[tuple[int], np.dtype[np.float64]]) -> None:
        edit = np.empty((len(ids), 3), np.int32)
        edit[:, 0], edit[:, 1], edit[:, 2] = row, ids, kind
        edits.append(edit)
        values.append(amounts)

    for row, control in enumerate(controls):
        if bias := control.logit_bias:
            ids = np.fromiter(bias.keys(), np.int32, len(bias))
            add(row, _kernels.EDIT_BIAS, ids, np.fromiter(bias.values(), np.float64, len(bias)))
        if not has_penalty(control):
            continue
        if control.repetition_penalty != 1.0 and control.prompt_tokens is not None:
            add(row, _kernels.EDIT_SEEN, control.prompt_tokens, np.zeros(len(control.prompt_tokens)))
        if generated := control.output_counts:
            ids = np.fromiter(generated.keys(), np.int32, len(generated))
            add(row, _kernels.EDIT_GENERATED, ids, np.fromiter(generated.values(), np.float64, len(generated)))
    if not edits:
        return np.empty((0, 3), np.int32), np.empty(0)
    return np.concatenate(edits), np.concatenate(values)
