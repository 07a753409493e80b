"""Choosing tokens in plain torch, as `SampleControl` says: masks and penalties, then argmax or the inverse CDF."""

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.torch.controls import Draws, Edits
from sevenb.backend.torch.devices import upload

_FEW = 1024  # candidates that are selected instead of sorted


def argmax(logits: Tensor) -> Tensor:
    """The lowest id of the largest number in each row, NaN counting as minus infinity: [R] int64."""
    return torch.nan_to_num(logits, nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf).argmax(-1)


def edited(logits: Tensor, edits: Edits | None) -> Tensor:
    """Mask, bias and penalties: a new [R, V] without NaN."""
    banned = logits.isnan()
    if edits is None:
        return logits.masked_fill(banned, -torch.inf)
    if edits.allowed is not None:
        bits = edits.allowed.unsqueeze(-1) >> torch.arange(32, dtype=torch.int32, device=logits.device) & 1
        banned |= bits.flatten(1)[:, : logits.shape[1]] == 0
    adjusted = logits.masked_fill(banned, -torch.inf)
    if edits.places is not None and edits.numbers is not None:
        bias, penalty, taken = edits.numbers
        flat = adjusted.view(-1)
        values = flat[edits.places] + bias
        values = torch.where(values > 0, values / penalty, values * penalty) - taken
        flat.index_copy_(0, edits.places, values)
    return adjusted


def drawn(logits: Tensor, draws: Draws) -> Tensor:
    """One id for each row of logits without NaN: [R] int64. Where the best is infinite it is the argmax."""
    best = logits.amax(-1)
    chosen = torch.where(best == -torch.inf, draws.table[:, 5].long(), logits.argmax(-1))
    if not draws.rows:
        return chosen
    if len(draws.rows) == len(logits):
        return torch.where(best.isfinite(), _inverse_cdf(logits, draws.table, draws.widest), chosen)
    rows = upload(np.array(draws.rows, np.int64), logits.device)
    ids = _inverse_cdf(logits[rows], draws.table[rows], draws.widest)
    chosen[rows] = torch.where(best[rows].isfinite(), ids, chosen[rows])
    return chosen


def _inverse_cdf(logits: Tensor, table: Tensor, widest: int) -> Tensor:
    """One id a row by temperature, top-k, top-p, min-p and the inverse CDF: [R] int64."""
    values, ids = _in_order(logits, widest)
    temperature, top_k, top_p, min_p, uniform = table.T[:5].unsqueeze(-1)
    scaled = values.to(table.dtype) / temperature
    probabilities = (scaled - scaled[:, :1]).exp()
    probabilities = probabilities * (torch.arange(values.shape[1], device=logits.device) < top_k)
    probabilities = probabilities / probabilities.sum(-1, keepdim=True)
    # A token stays while the mass before it is below top_p, so the first always stays.
    before = probabilities.cumsum(-1) - probabilities
    kept = ((before < top_p) | (top_p >= 1)) & (probabilities >= min_p * probabilities[:, :1])
    cumulative = (probabilities * kept).cumsum(-1)
    target = (uniform * cumulative[:, -1:]).contiguous()
    index = torch.searchsorted(cumulative, target, right=True).clamp(max=values.shape[1] - 1)
    return ids.gather(1, index).flatten()


def _in_order(logits: Tensor, widest: int) -> tuple[Tensor, Tensor]:
    """Logits in falling order, ties by lower id, and their ids; ``widest`` of each row or more."""
    if widest > _FEW:
        return logits.sort(dim=-1, descending=True, stable=True)
    # Selecting is far quicker than sorting a vocabulary. Which of equals are the last to be selected is open.
    ids = logits.topk(widest, sorted=False).indices.sort(dim=-1).values
    values, order = logits.gather(1, ids).sort(dim=-1, descending=True, stable=True)
    return values, ids.gather(1, order)
