"""Norms over heads, RoPE, and keeping keys and values in the paged cache: one launch between projections and attention.

A program takes a tile of tokens and one head: a query head, which it writes out, or a KV head, whose key and value go
to the cache. A cache of codes follows `sevenb.backend.torch.rope`: heads are turned by a Hadamard matrix, keys are kept
relative to a centre, and each head is rounded by one unit.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl
from triton.language.extra import libdevice

from sevenb.backend.torch.kernels.launch import ANYWHERE, INTERPRETED, narrow
from sevenb.backend.torch.kernels.turn import turned
from sevenb.backend.torch.kv import CENTRE_LARGEST, CENTRE_SPAN

_interpreted = tl.constexpr(INTERPRETED)
_CENTRE_SPAN = tl.constexpr(CENTRE_SPAN)
_CENTRE_LARGEST = tl.constexpr(CENTRE_LARGEST)
_F16_LARGEST = tl.constexpr(65504.0)


@triton.jit
def _rounded_half_even(x):
    if _interpreted:  # without libdevice: x + 1.5 * 2**23 has no room for a fraction
        return (x + 12582912.0) - 12582912.0
    return libdevice.rint(x)


@triton.jit
def _rotated(
    x_ptr,  # a head of each token
    x_stride,
    rows,  # tokens
    alive,
    norm_ptr,
    cos_ptr,  # [T, HALF]
    sin_ptr,
    angles,  # rows of cos and sin
    dim,
    eps,
    NORM: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    HALF: tl.constexpr,
    HEAD_DIM: tl.constexpr,
):
    """Heads [TOKENS, DIM], normed and rotated, float32."""
    turning = dim < 2 * HALF
    if INTERLEAVED:
        pair = dim // 2
        is_first = dim % 2 == 0
        partner = tl.where(is_first, dim + 1, dim - 1)
    else:
        is_first = dim < HALF
        pair = tl.where(is_first, dim, dim - HALF)
        partner = tl.where(is_first, dim + HALF, dim - HALF)
    partner = tl.where(turning, partner, dim)
    mask = alive[:, None] & (dim < HEAD_DIM)[None, :]
    x = tl.load(x_ptr + rows[:, None] * x_stride + dim[None, :], mask=mask, other=0.0).to(tl.float32)
    other = tl.load(x_ptr + rows[:, None] * x_stride + partner[None, :], mask=mask, other=0.0).to(tl.float32)
    if NORM:
        factor = tl.rsqrt(tl.sum(x * x, axis=1) / HEAD_DIM + eps)[:, None]
        x = x * factor * tl.load(norm_ptr + dim, mask=dim < HEAD_DIM, other=0.0)[None, :]
        other = other * factor * tl.load(norm_ptr + partner, mask=dim < HEAD_DIM, other=0.0)[None, :]
    angle = angles[:, None] * HALF + pair[None, :]
    cos = tl.load(cos_ptr + angle, mask=mask & turning[None, :], other=1.0)
    sin = tl.load(sin_ptr + angle, mask=mask & turning[None, :], other=0.0)
    return x * cos + tl.where(is_first[None, :], -other, other) * sin


@triton.jit
def _keep(
    heads,  # [TOKENS, DIM] float32
    codes_ptr,
    units_ptr,
    place,
    alive,
    dim,
    LARGEST: tl.constexpr,  # of a code; 0: the cache holds plain numbers
    HEAD_DIM: tl.constexpr,
):
    kept = codes_ptr.dtype.element_ty
    if LARGEST > 0:
        unit = tl.max(tl.abs(heads), axis=1) / LARGEST
        tl.store(units_ptr + place, unit, mask=alive)
        heads = heads / tl.where(unit > 0.0, unit, 1.0)[:, None]
        limited = tl.minimum(tl.maximum(heads, -LARGEST), LARGEST)
        heads = _rounded_half_even(heads) if kept == tl.int8 else limited
    elif kept == tl.float16:
        heads = tl.minimum(tl.maximum(heads, -_F16_LARGEST), _F16_LARGEST, propagate_nan=tl.PropagateNan.ALL)
    tl.store(
        codes_ptr + place[:, None] * HEAD_DIM + dim[None, :],
        narrow(heads, kept),
        mask=alive[:, None] & (dim < HEAD_DIM)[None, :],
    )


@triton.jit(do_not_specialize=["tokens", "widest"], do_not_specialize_on_alignment=ANYWHERE)
def rope_store_kernel(
    query_ptr,  # [T, heads * HEAD_DIM], rows query_stride apart
    key_ptr,
    value_ptr,
    out_ptr,  # [T, heads, HEAD_DIM]
    cos_ptr,
    sin_ptr,
    positions_ptr,  # [T] int32
    sequence_ptr,  # [T] int32
    starts_ptr,  # [S + 1] int32
    tables_ptr,  # [S, widest] int32
    query_norm_ptr,
    key_norm_ptr,
    balance_ptr,  # [kv_heads, HEAD_DIM]
    key_bias_ptr,  # [kv_heads, HEAD_DIM], what centres are made of
    keys_ptr,
    values_ptr,
    key_units_ptr,
    value_units_ptr,
    centre_codes_ptr,
    centre_units_ptr,
    tokens,
    heads,
    kv_heads,
    widest,
    query_stride,
    key_stride,
    value_stride,
    eps,
    QUERY_NORM: tl.constexpr,
    KEY_NORM: tl.constexpr,
    BALANCE: tl.constexpr,
    CENTRE: tl.constexpr,
    INTERLEAVED: tl.constexpr,
    HALF: tl.constexpr,
    BLOCK: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    LARGEST: tl.constexpr,
    TURN: tl.constexpr,  # channels that are turned together in a cache of codes
    TOKENS: tl.constexpr,
    DIM: tl.constexpr,
):
    """Heads 0 to heads - 1 are queries, the kv_heads after them keys with their values."""
    rows = tl.program_id(0) * TOKENS + tl.arange(0, TOKENS)
    head = tl.program_id(1)
    alive = rows < tokens
    rows = tl.where(alive, rows, 0).to(tl.int64)
    dim = tl.arange(0, DIM)
    if head < heads:
        query = _rotated(
            query_ptr + head * HEAD_DIM, query_stride, rows, alive, query_norm_ptr, cos_ptr, sin_ptr, rows, dim, eps,
            QUERY_NORM, INTERLEAVED, HALF, HEAD_DIM,
        )  # fmt: skip
        if BALANCE:
            own = head // (heads // kv_heads) * HEAD_DIM
            query = query / tl.load(balance_ptr + own + dim, mask=dim < HEAD_DIM, other=1.0)[None, :]
        tl.store(
            out_ptr + (rows * heads + head)[:, None] * HEAD_DIM + dim[None, :],
            narrow(query, out_ptr.dtype.element_ty),
            mask=alive[:, None] & (dim < HEAD_DIM)[None, :],
        )
    else:
        kv_head = head - heads
        position = tl.load(positions_ptr + rows, mask=alive, other=0)
        sequence = tl.load(sequence_ptr + rows, mask=alive, other=0)
        table = tables_ptr + sequence * widest
        block = tl.load(table + position // BLOCK, mask=alive, other=0).to(tl.int64)
        place = (block * kv_heads + kv_head) * BLOCK + position % BLOCK
        key = _rotated(
            key_ptr + kv_head * HEAD_DIM, key_stride, rows, alive, key_norm_ptr, cos_ptr, sin_ptr, rows, dim, eps,
            KEY_NORM, INTERLEAVED, HALF, HEAD_DIM,
        )  # fmt: skip
        value = tl.load(
            value_ptr + kv_head * HEAD_DIM + rows[:, None] * value_stride + dim[None, :],
            mask=alive[:, None] & (dim < HEAD_DIM)[None, :],
            other=0.0,
        ).to(tl.float32)
        if BALANCE:
            balance = tl.load(balance_ptr + kv_head * HEAD_DIM + dim, mask=dim < HEAD_DIM, other=1.0)[None, :]
            key = key * balance
        if LARGEST > 0:
            key = turned(key, TOKENS, DIM, TURN)
            value = turned(value, TOKENS, DIM, TURN)
        if CENTRE:
            # A span may begin in this very step, at a token of another program: its centre is made here again then.
            into = position % _CENTRE_SPAN
            begin = rows - into
            fresh = begin >= tl.load(starts_ptr + sequence, mask=alive, other=0)
            centre = _rotated(
                key_bias_ptr + kv_head * HEAD_DIM, 0, rows, alive, key_norm_ptr, cos_ptr, sin_ptr,
                tl.where(fresh, begin, 0), dim, eps, False, INTERLEAVED, HALF, HEAD_DIM,
            )  # fmt: skip
            pair = dim // 2 if INTERLEAVED else dim % HALF
            centre = tl.where(((pair >= HALF // 2) | (dim >= 2 * HALF))[None, :], centre, 0.0)
            if BALANCE:
                centre = centre * balance
            centre = turned(centre, TOKENS, DIM, TURN)
            unit = tl.max(tl.abs(centre), axis=1) / _CENTRE_LARGEST
            codes = _rounded_half_even(centre / tl.where(unit > 0.0, unit, 1.0)[:, None])
            home = tl.load(table + (position - into) // BLOCK, mask=alive, other=0).to(tl.int64) * kv_heads + kv_head
            begins = alive & (into == 0)
            whole = (dim < HEAD_DIM)[None, :]
            spread = home[:, None] * HEAD_DIM + dim[None, :]
            tl.store(centre_units_ptr + home, unit, mask=begins)
            tl.store(centre_codes_ptr + spread, codes.to(tl.int8), mask=begins[:, None] & whole)
            old = alive & (fresh == 0)
            old_codes = tl.load(centre_codes_ptr + spread, mask=old[:, None] & whole, other=0).to(tl.float32)
            old_units = tl.load(centre_units_ptr + home, mask=old, other=0.0)
            key -= tl.where(fresh[:, None], codes * unit[:, None], old_codes * old_units[:, None])
        _keep(key, keys_ptr, key_units_ptr, place, alive, dim, LARGEST, HEAD_DIM)
        _keep(value, values_ptr, value_units_ptr, place, alive, dim, LARGEST, HEAD_DIM)
