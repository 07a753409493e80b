"""The Hadamard transform of heads, which spreads outliers before a cache rounds (QuaRot, arXiv 2404.00456)."""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.launch import narrow


@triton.jit
def turned(heads, TOKENS: tl.constexpr, DIM: tl.constexpr, TURN: tl.constexpr):
    """The transform of every ``TURN`` neighbouring channels, a power of two: sums and differences of halves."""
    half: tl.constexpr = TURN // 2
    if TURN > 1:
        pairs = tl.permute(tl.reshape(heads, (TOKENS, DIM // TURN, 2, half)), (0, 1, 3, 2))
        first, second = tl.split(pairs)
        pairs = tl.join(first + second, first - second) * 0.7071067811865476
        heads = tl.reshape(tl.permute(pairs, (0, 1, 3, 2)), (TOKENS, DIM))
        heads = turned(heads, TOKENS, DIM, half)
    return heads


@triton.jit(do_not_specialize=["heads"])
def turn_kernel(
    x_ptr,  # [heads, HEAD_DIM]
    out_ptr,
    heads,
    HEAD_DIM: tl.constexpr,
    TURN: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
):
    """Heads before and after attention over a cache of turned ones; within it there are no registers to spare."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    dim = tl.arange(0, DIM)
    place = row[:, None].to(tl.int64) * HEAD_DIM + dim[None, :]
    mask = (row < heads)[:, None] & (dim < HEAD_DIM)[None, :]
    x = tl.load(x_ptr + place, mask=mask, other=0.0).to(tl.float32)
    tl.store(out_ptr + place, narrow(turned(x, ROWS, DIM, TURN), out_ptr.dtype.element_ty), mask=mask)
