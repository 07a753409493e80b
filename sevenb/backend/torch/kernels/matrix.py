"""Products of many tokens with grouped weights: codes become numbers in registers on their way into the tensor cores.

Up to a few hundred tokens a product still waits for the weights, so that they are best read as codes. Beyond, it waits
for the tensor cores: then the weights are written out once in 16 bits and the vendor's own product is used.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.launch import is_last, matrix_product, narrow
from sevenb.backend.torch.kernels.walk import MINIMA, ZEROS, group_scale, offset_code, scale_and_minimum

_ZEROS, _MINIMA = tl.constexpr(ZEROS), tl.constexpr(MINIMA)


@triton.jit
def _words(codes_ptr, upper_ptr, place, mask, UPPER: tl.constexpr):
    """Words, and those of what stands above, where anything does."""
    words = tl.load(codes_ptr + place, mask=mask, other=0)
    uppers = words
    if UPPER > 0:
        uppers = tl.load(upper_ptr + place, mask=mask, other=0).to(tl.int32)
    return words, uppers


@triton.jit
def _numbers(
    words,  # [ROWS, WORDS]
    uppers,  # as many
    i: tl.constexpr,
    scales_ptr,
    shifts_ptr,
    rows,
    block,  # [WORDS]: the block of each word
    mask,
    groups,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
):
    """The numbers that codes ``i`` of the words stand for, float32 as exact as the scales."""
    columns: tl.constexpr = 128 // BITS
    code = offset_code(words, uppers, i, BITS, UPPER) - (1 << (BITS + UPPER))
    # Two groups of 16 stand within 32 columns, four within 64.
    group = block * (columns // GROUP) + 4 * i // GROUP if columns > GROUP else block // (GROUP // columns)
    place = rows[:, None] * groups + group[None, :]
    if SHIFT >= _MINIMA:
        scale, minimum = scale_and_minimum(scales_ptr, shifts_ptr, place, mask, GROUP, SHIFT)
        return code * scale + minimum
    scale = group_scale(scales_ptr, shifts_ptr, place, mask, GROUP, SHIFT)
    if SHIFT == _ZEROS:
        return (code - tl.load(shifts_ptr + place, mask=mask, other=0.0).to(tl.float32)) * scale
    return (code - ZERO) * scale


@triton.jit(do_not_specialize=["tokens"])
def matrix_kernel(
    x_ptr,  # [tokens, columns] of 16 bits
    codes_ptr,
    upper_ptr,
    scales_ptr,
    shifts_ptr,
    out_ptr,  # [tokens, out_stride]; with ADD what is there is added to
    partial_ptr,  # [PARTS, tiles, ROWS, TOKENS] float32, or anything where PARTS is 1
    counter_ptr,  # [tiles] zeros
    tokens,
    row_count,
    blocks,
    x_stride,
    out_stride,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
    ADD: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    TOKENS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Weights are the left operand, which Hopper's products take from registers: [ROWS, k] @ [k, TOKENS]."""
    each: tl.constexpr = 32 // BITS
    columns: tl.constexpr = 4 * each
    groups = blocks * columns // GROUP
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    token = tl.program_id(1) * TOKENS + tl.arange(0, TOKENS)
    row_alive = rows < row_count
    token_alive = token < tokens
    total = tl.zeros((ROWS, TOKENS), tl.float32)
    part = tl.program_id(2)
    for start in tl.range(part * BLOCKS, blocks, PARTS * BLOCKS):
        word = start * 4 + tl.arange(0, BLOCKS * 4)
        block = word // 4
        alive = block < blocks
        mask = row_alive[:, None] & alive[None, :]
        words, uppers = _words(codes_ptr, upper_ptr, rows[:, None] * (blocks * 4) + word[None, :], mask, UPPER)
        for i in tl.static_range(each):
            number = _numbers(
                words, uppers, i, scales_ptr, shifts_ptr, rows, block, mask, groups, BITS, UPPER, GROUP, SHIFT, ZERO
            )
            column = block * columns + 4 * i + word % 4
            x = tl.load(
                x_ptr + token[None, :].to(tl.int64) * x_stride + column[:, None],
                mask=token_alive[None, :] & alive[:, None],
                other=0.0,
            )
            number = tl.where(alive[None, :], number, 0.0)
            total = matrix_product(narrow(number, x.dtype), x, total)
    if PARTS > 1:
        tiles = tl.num_programs(0) * tl.num_programs(1)
        tile = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
        within = tl.arange(0, ROWS)[:, None] * TOKENS + tl.arange(0, TOKENS)[None, :]
        tl.store(partial_ptr + (part * tiles + tile) * (ROWS * TOKENS) + within, total)
        if not is_last(counter_ptr + tile, PARTS):
            return
        total = tl.zeros((ROWS, TOKENS), tl.float32)
        for other in tl.static_range(PARTS):  # in order: the same sum whoever comes last
            total += tl.load(partial_ptr + (other * tiles + tile) * (ROWS * TOKENS) + within, cache_modifier=".cg")
    place = token[None, :].to(tl.int64) * out_stride + rows[:, None]
    mask = row_alive[:, None] & token_alive[None, :]
    if ADD:
        total += tl.load(out_ptr + place, mask=mask, other=0.0)
    tl.store(out_ptr + place, narrow(total, out_ptr.dtype.element_ty), mask=mask)


@triton.jit
def dequantize_kernel(
    codes_ptr,
    upper_ptr,
    scales_ptr,
    shifts_ptr,
    out_ptr,  # [row_count, columns]
    row_count,
    blocks,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """The numbers themselves, rounded to the type of ``out``."""
    each: tl.constexpr = 32 // BITS
    columns: tl.constexpr = 4 * each
    groups = blocks * columns // GROUP
    rows = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    word = tl.program_id(1) * (BLOCKS * 4) + tl.arange(0, BLOCKS * 4)
    block = word // 4
    mask = (rows < row_count)[:, None] & (block < blocks)[None, :]
    words, uppers = _words(codes_ptr, upper_ptr, rows[:, None] * (blocks * 4) + word[None, :], mask, UPPER)
    for i in tl.static_range(each):
        number = _numbers(
            words, uppers, i, scales_ptr, shifts_ptr, rows, block, mask, groups, BITS, UPPER, GROUP, SHIFT, ZERO
        )
        column = block * columns + 4 * i + word % 4
        place = rows[:, None].to(tl.int64) * (blocks * columns) + column[None, :]
        tl.store(out_ptr + place, narrow(number, out_ptr.dtype.element_ty), mask=mask)
