"""Products of one to four tokens with weights: norm, Q, K, V and biases in one launch; gate, up and SiLU in one.

Where a matrix has too few rows to keep the card busy its columns are cut into parts: float32 partial sums, which the
part that arrives last adds up in order, so that the result does not depend on who that is.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.launch import is_last, narrow
from sevenb.backend.torch.kernels.walk import walk_floats, walk_grouped


@triton.jit
def _walk(
    x_ptr, norm_ptr, codes_ptr, upper_ptr, scales_ptr, shifts_ptr, rows, row_count, blocks, part, x_stride,
    M: tl.constexpr, BITS: tl.constexpr, UPPER: tl.constexpr, GROUP: tl.constexpr, SHIFT: tl.constexpr,
    ZERO: tl.constexpr, NORM: tl.constexpr, PARTS: tl.constexpr, ROWS: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """Grouped codes, or plain numbers where ``BITS`` is 16."""
    if BITS == 16:
        totals, lengths = walk_floats(
            x_ptr, norm_ptr, codes_ptr, rows, row_count, blocks, part, x_stride, M, NORM, PARTS, ROWS, BLOCKS
        )
    else:
        totals, lengths = walk_grouped(
            x_ptr, norm_ptr, codes_ptr, upper_ptr, scales_ptr, shifts_ptr, rows, row_count, blocks, part, x_stride,
            M, BITS, UPPER, GROUP, SHIFT, ZERO, NORM, PARTS, ROWS, BLOCKS,
        )  # fmt: skip
    return totals, lengths


@triton.jit
def vector_kernel(
    x_ptr,  # [M, columns]
    norm_ptr,  # [columns] float32, or anything without NORM
    out_ptr,  # [M, out_stride]; with ADD what is there is added to
    partial_ptr,  # [PARTS, M, tiles, ROWS + 1] float32, or anything where PARTS is 1
    counter_ptr,  # [tiles] zeros
    codes0_ptr,
    upper0_ptr,
    scales0_ptr,
    shifts0_ptr,
    bias0_ptr,
    rows0,
    codes1_ptr,
    upper1_ptr,
    scales1_ptr,
    shifts1_ptr,
    bias1_ptr,
    rows1,
    codes2_ptr,
    upper2_ptr,
    scales2_ptr,
    shifts2_ptr,
    bias2_ptr,
    rows2,
    blocks,
    x_stride,
    out_stride,
    eps,
    M: tl.constexpr,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
    NORM: tl.constexpr,
    BIAS: tl.constexpr,
    ADD: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Up to three matrices side by side (Q, K and V): ``rows1`` and ``rows2`` are 0 where there are fewer."""
    tile = tl.program_id(0)
    part = tl.program_id(1)
    tiles0 = tl.cdiv(rows0, ROWS)
    tiles1 = tl.cdiv(rows1, ROWS)
    codes_ptr = codes0_ptr
    upper_ptr = upper0_ptr
    scales_ptr = scales0_ptr
    shifts_ptr = shifts0_ptr
    bias_ptr = bias0_ptr
    row_count = rows0
    before = 0
    local = tile
    if tile >= tiles0 + tiles1:
        codes_ptr = codes2_ptr
        upper_ptr = upper2_ptr
        scales_ptr = scales2_ptr
        shifts_ptr = shifts2_ptr
        bias_ptr = bias2_ptr
        row_count = rows2
        before = rows0 + rows1
        local = tile - tiles0 - tiles1
    elif tile >= tiles0:
        codes_ptr = codes1_ptr
        upper_ptr = upper1_ptr
        scales_ptr = scales1_ptr
        shifts_ptr = shifts1_ptr
        bias_ptr = bias1_ptr
        row_count = rows1
        before = rows0
        local = tile - tiles0
    rows = local * ROWS + tl.arange(0, ROWS)
    totals, lengths = _walk(
        x_ptr,
        norm_ptr,
        codes_ptr,
        upper_ptr,
        scales_ptr,
        shifts_ptr,
        rows,
        row_count,
        blocks,
        part,
        x_stride,
        M,
        BITS,
        UPPER,
        GROUP,
        SHIFT,
        ZERO,
        NORM,
        PARTS,
        ROWS,
        BLOCKS,
    )
    inputs = blocks * (8 if BITS == 16 else 128 // BITS)
    if PARTS > 1:
        tiles = tl.num_programs(0)
        for m in tl.static_range(M):
            own = partial_ptr + ((part * M + m) * tiles + tile) * (ROWS + 1)
            tl.store(own + tl.arange(0, ROWS), totals[m])
            tl.store(own + ROWS, lengths[m])
        if is_last(counter_ptr + tile, PARTS):
            for m in tl.static_range(M):
                total = tl.zeros((ROWS,), tl.float32)
                length = 0.0
                for p in tl.static_range(PARTS):  # in order: the same sum whoever comes last
                    other = partial_ptr + ((p * M + m) * tiles + tile) * (ROWS + 1)
                    total += tl.load(other + tl.arange(0, ROWS), cache_modifier=".cg")
                    length += tl.load(other + ROWS, cache_modifier=".cg")
                _finish(total, length, inputs, eps, out_ptr + m * out_stride + before, bias_ptr, rows, row_count,
                        NORM, BIAS, ADD)  # fmt: skip
    else:
        for m in tl.static_range(M):
            _finish(totals[m], lengths[m], inputs, eps, out_ptr + m * out_stride + before, bias_ptr, rows, row_count,
                    NORM, BIAS, ADD)  # fmt: skip


@triton.jit
def _finish(
    total, length, inputs, eps, out_ptr, bias_ptr, rows, row_count,
    NORM: tl.constexpr, BIAS: tl.constexpr, ADD: tl.constexpr,
):  # fmt: skip
    """Norm, bias, and what is added to; then the token's rows are stored."""
    alive = rows < row_count
    if NORM:
        total = total * tl.rsqrt(length / inputs + eps)
    if BIAS:
        total += tl.load(bias_ptr + rows, mask=alive, other=0.0)
    if ADD:
        total += tl.load(out_ptr + rows, mask=alive, other=0.0)
    tl.store(out_ptr + rows, narrow(total, out_ptr.dtype.element_ty), mask=alive)


@triton.jit
def gate_up_kernel(
    x_ptr,  # [M, columns]
    norm_ptr,  # [columns] float32
    out_ptr,  # [M, rows]
    gate_codes_ptr,
    gate_upper_ptr,
    gate_scales_ptr,
    gate_shifts_ptr,
    up_codes_ptr,
    up_upper_ptr,
    up_scales_ptr,
    up_shifts_ptr,
    row_count,
    blocks,
    x_stride,
    out_stride,
    eps,
    M: tl.constexpr,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """``silu(gate(norm(x))) * up(norm(x))``: the same rows of both matrices are one program's, so nothing is kept."""
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    gates, lengths = _walk(
        x_ptr, norm_ptr, gate_codes_ptr, gate_upper_ptr, gate_scales_ptr, gate_shifts_ptr, rows, row_count, blocks, 0,
        x_stride, M, BITS, UPPER, GROUP, SHIFT, ZERO, True, 1, ROWS, BLOCKS,
    )  # fmt: skip
    ups, _ = _walk(
        x_ptr, norm_ptr, up_codes_ptr, up_upper_ptr, up_scales_ptr, up_shifts_ptr, rows, row_count, blocks, 0,
        x_stride, M, BITS, UPPER, GROUP, SHIFT, ZERO, True, 1, ROWS, BLOCKS,
    )  # fmt: skip
    for m in tl.static_range(M):
        factor = tl.rsqrt(lengths[m] / (blocks * (8 if BITS == 16 else 128 // BITS)) + eps)
        gate = gates[m] * factor
        value = gate / (1.0 + tl.exp(-gate)) * (ups[m] * factor)
        tl.store(out_ptr + m * out_stride + rows, narrow(value, out_ptr.dtype.element_ty), mask=rows < row_count)
