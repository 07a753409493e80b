"""Choosing tokens on the device, as `SampleControl` says; only what was chosen comes to the host."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.protocol import SampleControl, Sampled
from sevenb.backend.torch.controls import draws_of, edits_of
from sevenb.backend.torch.devices import upload
from sevenb.backend.torch.plain import PlainOps
from sevenb.errors import NumberOverflow

_OVERFLOW = (
    "The model's numbers grew beyond what float16 can hold, so this answer cannot go on; start the server with "
    "--dtype bfloat16 (or float32 where the card has no bfloat16)."
)


def sample(ops: PlainOps, logits: Tensor, controls: Sequence[SampleControl]) -> list[Sampled]:
    """One token for each row of ``logits`` [R, V] float32, which are not changed.

    NaN counts as minus infinity. Where nothing is above minus infinity the lowest allowed id is chosen. Raises
    ValueError when a mask allows none, or a control names a token outside the vocabulary; `NumberOverflow` where
    activations are float16 and a row is not a number.
    """
    return taken(logits, controls, chosen(ops, logits, controls).tolist())


def chosen(ops: PlainOps, logits: Tensor, controls: Sequence[SampleControl]) -> Tensor:
    """What `sample` chooses, on the device, and then whether the numbers are no good: [R + 1] int64.

    The host waits for nothing. Raises ValueError as `sample` does.
    """
    if len(logits) != len(controls):
        raise ValueError(f"{len(controls)} controls for {len(logits)} rows of logits")
    vocabulary, device = logits.shape[1], logits.device
    edits = edits_of(controls, vocabulary, device)
    greedy = edits is None and all(control.temperature == 0 for control in controls)
    return ops.choose(logits, edits, None if greedy else draws_of(controls, vocabulary, device))


def taken(logits: Tensor | None, controls: Sequence[SampleControl], numbers: list[int]) -> list[Sampled]:
    """What `sample` makes of the numbers that `chosen` gave; ``logits`` may be None if no log-probability is wanted."""
    *token_ids, overflow = numbers
    if overflow:
        raise NumberOverflow(_OVERFLOW)
    sampled = [Sampled(token_id) for token_id in token_ids]
    wanted = [row for row, control in enumerate(controls) if control.logprobs is not None]
    if wanted and logits is not None:
        top = max(control.logprobs or 0 for control in controls)
        records = _with_logprobs(logits, wanted, [token_ids[row] for row in wanted], top)
        for row, record in zip(wanted, records, strict=True):
            sampled[row] = Sampled(record.token_id, record.logprob, record.top_logprobs[: controls[row].logprobs])
    return sampled


def token_logprobs(
    ops: PlainOps, logits: Tensor, rows: Sequence[int], token_ids: Sequence[int], top: int
) -> list[Sampled]:
    """The log-probability of a given token in each of ``rows`` of ``logits`` [R, V], with the ``top`` best there."""
    if not rows:
        return []
    if ops.overflowed(logits).item():
        raise NumberOverflow(_OVERFLOW)
    return _with_logprobs(logits, rows, token_ids, top)


def _with_logprobs(logits: Tensor, rows: Sequence[int], token_ids: Sequence[int], top: int) -> list[Sampled]:
    """Given tokens of some rows, with the ``top`` best of the row, ties by lower id."""
    picked = logits[list(rows)]
    clean = picked.masked_fill(picked.isnan(), -torch.inf)
    logprobs = clean - clean.logsumexp(-1, keepdim=True)
    own = logprobs.gather(1, upload(np.array(token_ids, np.int64), logits.device).unsqueeze(1)).flatten().tolist()
    if top == 0:
        return [Sampled(token_id, logprob) for token_id, logprob in zip(token_ids, own, strict=True)]
    values, ids = logprobs.sort(dim=-1, descending=True, stable=True)
    best = [tuple(zip(*row, strict=True)) for row in zip(ids[:, :top].tolist(), values[:, :top].tolist(), strict=True)]
    return [Sampled(*record) for record in zip(token_ids, own, best, strict=True)]
