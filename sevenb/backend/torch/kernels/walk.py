"""The inner loops of products with one to four tokens: a few rows of weights, every byte read once, in whole lines.

One warp walks along its rows; each thread takes a block (16 bytes) of every row at a time, so that it can use its own
vector loads of x and no thread waits for another before the end. Codes become floats without a conversion: put at the
top of the mantissa of 16.0 (or 256.0) they add themselves to it, and that offset leaves with the zero point through
the sum of x over the block. A weight so costs a shift, a masked or and a fused multiply-add: at an H100's 3.35 TB/s
about 70 % of what its cores can issue for one token. What stands above the lower bits of codes of 3, 5 and 6 bits goes
to its place in the same way, a shift and a masked or more.
"""

# ruff: noqa: N803, RUF005  constexprs are capitals, as everywhere in Triton, whose tuples grow by +
# mypy: disable-error-code="no-untyped-def,no-untyped-call,assignment"

import triton
import triton.language as tl

# What is subtracted from codes: one constant, a zero point of each group, or nothing (a minimum is added). SIGNED is a
# constant and LEVELS a minimum where scales and minima are whole numbers times those of 256 columns.
CONSTANT, ZEROS, SIGNED, MINIMA, LEVELS = 0, 1, 2, 3, 4
_ZEROS, _SIGNED, _MINIMA = tl.constexpr(ZEROS), tl.constexpr(SIGNED), tl.constexpr(MINIMA)
_LEVELS = tl.constexpr(LEVELS)


@triton.jit
def offset_code(words, uppers, i: tl.constexpr, BITS: tl.constexpr, UPPER: tl.constexpr):
    """Code ``i`` of each word plus 2**(BITS + UPPER), float32, by bits alone; ``uppers`` is anything without UPPER."""
    placed = _placed(words, i, BITS, 23 - BITS - UPPER)
    if UPPER > 0:
        placed |= _placed(uppers, i, UPPER, 23 - UPPER)
    exponent: tl.constexpr = (127 + BITS + UPPER) << 23
    return (placed | exponent).to(tl.float32, bitcast=True)


@triton.jit
def _placed(words, i: tl.constexpr, BITS: tl.constexpr, PLACE: tl.constexpr):
    """Part ``i`` of each word, of ``BITS`` bits, from bit ``PLACE`` up, and nothing else."""
    up: tl.constexpr = PLACE - i * BITS
    mask: tl.constexpr = ((1 << BITS) - 1) << PLACE
    return ((words << up) if up >= 0 else (words >> -up)) & mask


@triton.jit
def group_scale(scales_ptr, shifts_ptr, place, mask, GROUP: tl.constexpr, SHIFT: tl.constexpr):
    """Of groups that have no minima, float32 as exact as the file has it."""
    scale = tl.load(scales_ptr + place, mask=mask, other=0).to(tl.float32)
    if SHIFT == _SIGNED:
        scale *= tl.load(shifts_ptr + place // (256 // GROUP), mask=mask, other=0.0).to(tl.float32)
    return scale


@triton.jit
def scale_and_minimum(scales_ptr, shifts_ptr, place, mask, GROUP: tl.constexpr, SHIFT: tl.constexpr):
    """Of groups that have minima, float32 as exact as the file has them."""
    if SHIFT == _LEVELS:
        both = tl.load(scales_ptr + place, mask=mask, other=0).to(tl.int32)
        level = shifts_ptr + 2 * (place // (256 // GROUP))
        scale = (both & 255).to(tl.float32) * tl.load(level, mask=mask, other=0.0).to(tl.float32)
        minimum = (both >> 8).to(tl.float32) * -tl.load(level + 1, mask=mask, other=0.0).to(tl.float32)
    else:
        scale = tl.load(scales_ptr + place, mask=mask, other=0.0).to(tl.float32)
        minimum = tl.load(shifts_ptr + place, mask=mask, other=0.0).to(tl.float32)
    return scale, minimum


@triton.jit
def walk_grouped(
    x_ptr,
    norm_ptr,
    codes_ptr,
    upper_ptr,
    scales_ptr,
    shifts_ptr,
    rows,
    row_count,
    blocks,
    first,
    x_stride,
    M: tl.constexpr,
    BITS: tl.constexpr,
    UPPER: tl.constexpr,
    GROUP: tl.constexpr,
    SHIFT: tl.constexpr,
    ZERO: tl.constexpr,
    NORM: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """Sums over this program's part of the columns: for each token [ROWS] products, and the sum of its squares."""
    each: tl.constexpr = 32 // BITS
    columns: tl.constexpr = 4 * each
    halves: tl.constexpr = columns // GROUP if columns > GROUP else 1  # groups of 16 within 32 columns, or 64
    blocks_of_group: tl.constexpr = GROUP // columns if columns < GROUP else 1
    groups = blocks * columns // GROUP
    offset: tl.constexpr = 1 << (BITS + UPPER)
    word = tl.arange(0, 4)
    row_alive = rows < row_count
    sums = ()
    squares = ()
    for _m in tl.static_range(M):
        sums = sums + (tl.zeros((ROWS, BLOCKS), tl.float32),)
        squares = squares + (tl.zeros((BLOCKS, 4), tl.float32),)
    for start in tl.range(first * BLOCKS, blocks, PARTS * BLOCKS):
        block = start + tl.arange(0, BLOCKS)
        alive = block < blocks
        both = row_alive[:, None] & alive[None, :]
        place = rows[:, None] * blocks + block[None, :]
        four = place[:, :, None] * 4 + word[None, None, :]
        words = tl.load(codes_ptr + four, mask=both[:, :, None], other=0, eviction_policy="evict_first")
        uppers = words
        if UPPER > 0:
            uppers = tl.load(upper_ptr + four, mask=both[:, :, None], other=0, eviction_policy="evict_first")
            uppers = uppers.to(tl.int32)
        if SHIFT == _SIGNED:  # a block's scales at once, a byte each
            tl.static_assert(GROUP == 16)
            signed_ptr = scales_ptr.to(tl.pointer_type(tl.int16 if halves == 2 else tl.int32))
            signed = tl.load(signed_ptr + place, mask=both, other=0).to(tl.int32)
            level = tl.load(shifts_ptr + place // (256 // columns), mask=both, other=0.0).to(tl.float32)
        for half in tl.static_range(halves):
            products = ()
            inputs = ()
            for _m in tl.static_range(M):
                products = products + (tl.zeros((ROWS, BLOCKS, 4), tl.float32),)
                inputs = inputs + (tl.zeros((BLOCKS, 4), tl.float32),)
            for j in tl.static_range(each // halves):
                code = offset_code(words, uppers, half * (each // halves) + j, BITS, UPPER)
                column = block[:, None] * columns + (half * (each // halves) + j) * 4 + word[None, :]
                if NORM:
                    gain = tl.load(norm_ptr + column, mask=alive[:, None], other=0.0)
                new_products = ()
                new_inputs = ()
                new_squares = ()
                for m in tl.static_range(M):
                    x = tl.load(x_ptr + m * x_stride + column, mask=alive[:, None], other=0.0).to(tl.float32)
                    if NORM:
                        new_squares = new_squares + (squares[m] + x * x,)
                        x = x * gain
                    new_products = new_products + (products[m] + code * x[None, :, :],)
                    new_inputs = new_inputs + (inputs[m] + x,)
                products = new_products
                inputs = new_inputs
                if NORM:
                    squares = new_squares
            group = block * halves + half if halves > 1 else block // blocks_of_group
            own = rows[:, None] * groups + group[None, :]
            if SHIFT >= _MINIMA:
                scale, shift = scale_and_minimum(scales_ptr, shifts_ptr, own, both, GROUP, SHIFT)
            elif SHIFT == _SIGNED:
                scale = ((signed << (24 - 8 * half)) >> 24).to(tl.float32) * level
            else:
                scale = group_scale(scales_ptr, shifts_ptr, own, both, GROUP, SHIFT)
                if SHIFT == _ZEROS:
                    shift = tl.load(shifts_ptr + own, mask=both, other=0.0).to(tl.float32)
            new_sums = ()
            for m in tl.static_range(M):
                product = tl.sum(products[m], axis=2)
                whole = tl.sum(inputs[m], axis=1)[None, :]
                if SHIFT >= _MINIMA:
                    new_sums = new_sums + (sums[m] + scale * (product - offset * whole) + shift * whole,)
                elif SHIFT == _ZEROS:
                    new_sums = new_sums + (sums[m] + scale * (product - (shift + offset) * whole),)
                else:
                    new_sums = new_sums + (sums[m] + scale * (product - (ZERO + offset) * whole),)
            sums = new_sums
    totals = ()
    lengths = ()
    for m in tl.static_range(M):
        totals = totals + (tl.sum(sums[m], axis=1),)
        lengths = lengths + (tl.sum(squares[m]),)
    return totals, lengths


@triton.jit
def walk_floats(
    x_ptr,
    norm_ptr,
    values_ptr,
    rows,
    row_count,
    blocks,
    first,
    x_stride,
    M: tl.constexpr,
    NORM: tl.constexpr,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    """As `walk_grouped`, of plain numbers; a block is 8 columns, 16 bytes of 16-bit weights."""
    eight = tl.arange(0, 8)
    sums = ()
    squares = ()
    for _m in tl.static_range(M):
        sums = sums + (tl.zeros((ROWS, BLOCKS), tl.float32),)
        squares = squares + (tl.zeros((BLOCKS, 8), tl.float32),)
    for start in tl.range(first * BLOCKS, blocks, PARTS * BLOCKS):
        block = start + tl.arange(0, BLOCKS)
        alive = block < blocks
        column = block[:, None] * 8 + eight[None, :]
        values = tl.load(
            values_ptr + (rows[:, None, None] * blocks + block[None, :, None]) * 8 + eight[None, None, :],
            mask=((rows < row_count)[:, None] & alive[None, :])[:, :, None],
            other=0.0,
            eviction_policy="evict_first",
        ).to(tl.float32)
        if NORM:
            gain = tl.load(norm_ptr + column, mask=alive[:, None], other=0.0)
        new_sums = ()
        new_squares = ()
        for m in tl.static_range(M):
            x = tl.load(x_ptr + m * x_stride + column, mask=alive[:, None], other=0.0).to(tl.float32)
            if NORM:
                new_squares = new_squares + (squares[m] + x * x,)
                x = x * gain
            new_sums = new_sums + (sums[m] + tl.sum(values * x[None, :, :], axis=2),)
        sums = new_sums
        if NORM:
            squares = new_squares
    totals = ()
    lengths = ()
    for m in tl.static_range(M):
        totals = totals + (tl.sum(sums[m], axis=1),)
        lengths = lengths + (tl.sum(squares[m]),)
    return totals, lengths
