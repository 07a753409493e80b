"""Launching the kernels that choose tokens: two if all is greedy, three if some are drawn, before them edits."""

import torch
import triton
from torch import Tensor

from sevenb.backend.torch.controls import Draws, Edits
from sevenb.backend.torch.kernels.pick import (
    BINS,
    adjust_kernel,
    amend_kernel,
    gather_kernel,
    pick_kernel,
    survey_kernel,
)

MOST = 2048  # candidates that are sorted in registers; nearly all that models give a chance at temperature 1
TILE = 4096  # logits a program: 4 rows of a large vocabulary are more programs than an H100 has processors
SEARCHED = 2048  # at a time, where a row is searched
_EDITS = 256  # a program
_ID_BITS_AT_MOST = 30


def choose(logits: Tensor, edits: Edits | None, draws: Draws | None, *, check: bool) -> Tensor:
    """As `PlainOps.choose`; with ``check`` logits that are not finite are told."""
    rows, vocabulary = logits.shape
    id_bits = max(1, (vocabulary - 1).bit_length())
    if id_bits > _ID_BITS_AT_MOST:
        raise ValueError(f"a vocabulary of {vocabulary} is beyond the kernels that choose tokens")
    logits = logits if logits.stride(1) == 1 else logits.contiguous()
    drawn = draws is not None and bool(draws.rows)
    # One number that tells; of each row the best key, the count of candidates, the mass of others, the bins. Each part
    # begins at 16 bytes, whatever the number of rows: Triton would compile a kernel for every other mixture.
    even = rows + rows % 2
    bins = rows * BINS // 2 if drawn else 0
    zeros = torch.zeros(2 + 3 * even + bins, dtype=torch.int64, device=logits.device)
    broken, best, counts, rests, histogram = torch.split(zeros, [2, even, even, even, bins])
    out = torch.empty(rows + 1, dtype=torch.int64, device=logits.device)
    grid = (rows, triton.cdiv(vocabulary, TILE))
    if not rows:
        return out.zero_()
    if edits is not None:
        logits, check = _edited(logits, edits, broken, check), False
    survey_kernel[grid](
        logits, best, histogram.view(torch.int32), broken, vocabulary, logits.stride(0),
        ID_BITS=id_bits, COUNT=drawn, CHECK=check, TILE=TILE, num_warps=8,
    )  # fmt: skip
    table = zeros if draws is None else draws.table
    candidates = zeros
    if drawn:
        candidates = torch.empty((rows, MOST), dtype=torch.int64, device=logits.device)
        gather_kernel[grid](
            logits, table, best, histogram.view(torch.int32), counts, rests, candidates,
            vocabulary, logits.stride(0), ID_BITS=id_bits, MOST=MOST, TILE=TILE, num_warps=8,
        )  # fmt: skip
    # Asked for no bound, the assembler takes 80 registers and spills two numbers.
    pick_kernel[(rows,)](
        logits, table, best, counts, rests, candidates, broken, out, vocabulary, logits.stride(0),
        ID_BITS=id_bits, TOLD=draws is not None, DRAW=drawn, MOST=MOST, TILE=SEARCHED, num_warps=8, maxnreg=160,
    )  # fmt: skip
    return out


def _edited(logits: Tensor, edits: Edits, broken: Tensor, check: bool) -> Tensor:
    """Mask, bias and penalties: a new [R, V]."""
    rows, vocabulary = logits.shape
    out = torch.empty((rows, vocabulary), device=logits.device)
    allowed = edits.allowed
    adjust_kernel[(rows, triton.cdiv(vocabulary, TILE))](
        logits, logits if allowed is None else allowed, out, broken, vocabulary, logits.stride(0),
        0 if allowed is None else allowed.shape[1], MASK=allowed is not None, CHECK=check, TILE=TILE, num_warps=8,
    )  # fmt: skip
    if edits.places is not None:
        count = len(edits.places)
        amend_kernel[(triton.cdiv(count, _EDITS),)](
            out, edits.places, edits.numbers, count, WIDTH=_EDITS, num_warps=4
        )  # fmt: skip
    return out
