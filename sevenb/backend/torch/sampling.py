"""Choosing tokens on the device, as `SampleControl` says; only what was chosen comes to the host."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from sevenb.backend.protocol import SampleControl, Sampled
from sevenb.backend.torch.devices import upload
from sevenb.backend.torch.plain import PlainOps
from sevenb.errors import NumberOverflow

_FEW = 1024  # candidates that are selected instead of sorted
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
    broken = _broken(ops, logits)
    if all(control.temperature == 0 and not _edited(control) for control in controls):
        return torch.cat((ops.argmax(logits), broken))
    return torch.cat((_choose(ops, _adjusted(logits, controls), controls), broken))


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
    if _broken(ops, logits).item():
        raise NumberOverflow(_OVERFLOW)
    return _with_logprobs(logits, rows, token_ids, top)


def _broken(ops: PlainOps, logits: Tensor) -> Tensor:
    """Whether some logit shows that float16 was too small: [1] int64, on the device."""
    if ops.dtype != torch.float16:
        return torch.zeros(1, dtype=torch.int64, device=logits.device)
    # What overflows anywhere ends as infinity or no number: sums over a row take on both.
    return (~logits.sum(-1).isfinite()).any().long().view(1)


def _with_logprobs(logits: Tensor, rows: Sequence[int], token_ids: Sequence[int], top: int) -> list[Sampled]:
    """Given tokens of some rows, with the ``top`` best of the row, ties by lower id."""
    clean = _without_nan(logits[list(rows)])
    logprobs = clean - clean.logsumexp(-1, keepdim=True)
    own = logprobs.gather(1, upload(np.array(token_ids, np.int64), logits.device).unsqueeze(1)).flatten().tolist()
    if top == 0:
        return [Sampled(token_id, logprob) for token_id, logprob in zip(token_ids, own, strict=True)]
    values, ids = logprobs.sort(dim=-1, descending=True, stable=True)
    best = [tuple(zip(*row, strict=True)) for row in zip(ids[:, :top].tolist(), values[:, :top].tolist(), strict=True)]
    return [Sampled(*record) for record in zip(token_ids, own, best, strict=True)]


def _without_nan(logits: Tensor) -> Tensor:
    return logits.masked_fill(logits.isnan(), -torch.inf)


# -- masks, biases, penalties --------------------------------------------------------------------------


def _edited(control: SampleControl) -> bool:
    return control.allowed is not None or bool(control.logit_bias) or _penalised(control)


def _penalised(control: SampleControl) -> bool:
    return control.repetition_penalty != 1.0 or control.presence_penalty != 0.0 or control.frequency_penalty != 0.0


def _adjusted(logits: Tensor, controls: Sequence[SampleControl]) -> Tensor:
    """Mask, bias and penalties, in the order of `SampleControl`: a new [R, V]."""
    adjusted = _without_nan(logits)
    vocabulary = logits.shape[1]
    for row, control in enumerate(controls):
        line = adjusted[row]
        if control.allowed is not None:
            line.masked_fill_(~_bits(control.allowed, vocabulary, logits.device), -torch.inf)
        if bias := control.logit_bias:
            line.index_add_(0, *_numbers(bias.keys(), bias.values(), line))
        if not _penalised(control):
            continue
        counts = control.output_counts or {}
        if control.repetition_penalty != 1.0:
            prompt = [] if control.prompt_tokens is None else control.prompt_tokens.tolist()
            seen = _ids(sorted({*prompt, *counts}), line)
            values = line[seen]
            penalty = control.repetition_penalty
            line[seen] = torch.where(values > 0, values / penalty, values * penalty)
        if counts:
            amounts = [control.presence_penalty + control.frequency_penalty * count for count in counts.values()]
            ids, taken = _numbers(counts.keys(), amounts, line)
            line.index_add_(0, ids, taken, alpha=-1)
    return adjusted


def _bits(mask: npt.NDArray[np.uint32], vocabulary: int, device: torch.device) -> Tensor:
    """A bitmask as booleans, false beyond its words: [vocabulary]."""
    words = upload(np.array(mask).view(np.uint8), device)
    bits = (words.unsqueeze(1) >> torch.arange(8, dtype=torch.uint8, device=device) & 1).flatten()[:vocabulary].bool()
    return F.pad(bits, (0, vocabulary - len(bits)))


def _ids(token_ids: Sequence[int], line: Tensor) -> Tensor:
    if token_ids and not (min(token_ids) >= 0 and max(token_ids) < len(line)):
        raise ValueError(f"a control names a token outside of the vocabulary of {len(line)}")
    return upload(np.array(token_ids, np.int64), line.device)


def _numbers(token_ids: Iterable[int], amounts: Iterable[float], line: Tensor) -> tuple[Tensor, Tensor]:
    return _ids(list(token_ids), line), upload(np.array(list(amounts), np.float32), line.device)


# -- temperature, top-k, top-p, min-p ------------------------------------------------------------------


def _choose(ops: PlainOps, adjusted: Tensor, controls: Sequence[SampleControl]) -> Tensor:
    """One id a row: [R] int64."""
    best = adjusted.amax(-1)
    firsts = [0 if control.allowed is None else _first_allowed(control.allowed) for control in controls]
    lowest = upload(np.array(firsts, np.int64), adjusted.device)
    chosen = torch.where(best == -torch.inf, lowest, ops.argmax(adjusted))
    drawn = [row for row, control in enumerate(controls) if control.temperature > 0]
    if not drawn:
        return chosen
    rows = upload(np.array(drawn, np.int64), adjusted.device)
    ids = _draw(adjusted[rows], [controls[row] for row in drawn])
    chosen[rows] = torch.where(best[rows].isfinite(), ids, chosen[rows])
    return chosen


def _draw(logits: Tensor, controls: Sequence[SampleControl]) -> Tensor:
    """One id a row by temperature, top-k, top-p, min-p and the inverse CDF: [R] int64."""
    values, ids = _in_order(logits, controls)
    wanted = [(c.temperature, c.top_k or values.shape[1], c.top_p, c.min_p, c.uniform) for c in controls]
    # Apple GPUs have no float64; 32 bits add up a vocabulary to five digits.
    wide = np.float32 if logits.device.type == "mps" else np.float64
    temperature, top_k, top_p, min_p, uniform = upload(np.array(wanted, wide).T.copy(), logits.device).unsqueeze(-1)
    scaled = values.to(temperature.dtype) / temperature
    probabilities = (scaled - scaled[:, :1]).exp()
    probabilities = probabilities * (torch.arange(values.shape[1], device=logits.device) < top_k)
    probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    # A token stays while the mass before it is below top_p, so the first always stays.
    before = probabilities.cumsum(-1) - probabilities
    kept = ((before < top_p) | (top_p >= 1)) & (probabilities >= min_p * probabilities[:, :1])
    cumulative = (probabilities * kept).cumsum(-1)
    index = torch.searchsorted(cumulative, uniform * cumulative[:, -1:], right=True).clamp(max=values.shape[1] - 1)
    return ids.gather(1, index).flatten()


def _in_order(logits: Tensor, controls: Sequence[SampleControl]) -> tuple[Tensor, Tensor]:
    """Logits in falling order, ties by lower id, and their ids; no more of them than any row may choose from."""
    widest = max(control.top_k or logits.shape[1] for control in controls)
    if widest > _FEW:
        return logits.sort(dim=-1, descending=True, stable=True)
    # Selecting is far quicker than sorting a vocabulary. Which of equals are the last to be selected is open.
    ids = logits.topk(min(widest, logits.shape[1]), sorted=False).indices.sort(dim=-1).values
    values, order = logits.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return values, ids.gather(1, order)


def _first_allowed(mask: npt.NDArray[np.uint32]) -> int:
    """The lowest id that a mask allows. Raises ValueError when there is none."""
    words = np.flatnonzero(mask)
    if not len(words):
        raise ValueError("a mask allows no token")
    word = int(mask[words[0]])
    return 32 * int(words[0]) + (word & -word).bit_length() - 1
