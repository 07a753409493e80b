"""The inner loop of attention: some query rows of one KV head over a range of one sequence's stored positions.

Query heads that share a KV head are rows of one product (GQA), so that every key and value is read once for all of
them. Softmax is computed as one goes (FlashAttention, arXiv 2205.14135), in powers of two.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.launch import matrix_product, narrow
from sevenb.backend.torch.kv import CENTRE_SPAN

_CENTRE_SPAN = tl.constexpr(CENTRE_SPAN)
_NOTHING = tl.constexpr(-1.0e30)  # a score that none is below; minus infinity would make NaN of rows that see nothing


@triton.jit
def attend(
    query,  # [ROWS, DIM], of the type in which products are computed
    position,  # [ROWS]: the last position that each row sees
    first,  # a multiple of TILE
    last,
    table_ptr,  # [widest]: the sequence's blocks
    keys_ptr,  # [blocks, kv_heads, BLOCK, HEAD_DIM]
    values_ptr,
    key_units_ptr,  # [blocks, kv_heads, BLOCK] float32; anything where the cache holds no CODES
    value_units_ptr,
    centre_codes_ptr,  # [blocks, kv_heads, HEAD_DIM]
    centre_units_ptr,  # [blocks, kv_heads]
    kv_head,
    kv_heads,
    scale,  # of scores, times log2(e)
    BLOCK: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,  # 0: none
    CODES: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,  # HEAD_DIM, up to a power of two
    TILE: tl.constexpr,  # divides CENTRE_SPAN
    STAGES: tl.constexpr,
):
    """Returns the largest score, the sum of exponents and the weighted sum of values: [ROWS], [ROWS], [ROWS, DIM]."""
    largest = tl.full((ROWS,), _NOTHING, tl.float32)
    total = tl.zeros((ROWS,), tl.float32)
    mixed = tl.zeros((ROWS, DIM), tl.float32)
    dim = tl.arange(0, DIM)
    dim_alive = dim < HEAD_DIM
    for start in tl.range(first, last, TILE, num_stages=STAGES):
        stored = start + tl.arange(0, TILE)
        alive = stored < last
        block = tl.load(table_ptr + stored // BLOCK, mask=alive, other=0).to(tl.int64)
        place = (block * kv_heads + kv_head) * BLOCK + stored % BLOCK
        keys = tl.load(
            keys_ptr + place[None, :] * HEAD_DIM + dim[:, None], mask=alive[None, :] & dim_alive[:, None], other=0.0
        )
        scores = matrix_product(query, keys.to(query.dtype), tl.zeros((ROWS, TILE), tl.float32))
        if CODES:
            scores *= tl.load(key_units_ptr + place, mask=alive, other=0.0)[None, :]
            home = tl.load(table_ptr + start // _CENTRE_SPAN * _CENTRE_SPAN // BLOCK).to(tl.int64) * kv_heads + kv_head
            centre = tl.load(centre_codes_ptr + home * HEAD_DIM + dim, mask=dim_alive, other=0).to(tl.float32)
            centre *= tl.load(centre_units_ptr + home)
            scores += tl.sum(query.to(tl.float32) * centre[None, :], axis=1)[:, None]
        seen = alive[None, :] & (stored[None, :] <= position[:, None])
        if WINDOW > 0:
            seen &= stored[None, :] > position[:, None] - WINDOW
        scores = tl.where(seen, scores * scale, _NOTHING)
        new_largest = tl.maximum(largest, tl.max(scores, axis=1))
        weights = tl.where(seen, tl.exp2(scores - new_largest[:, None]), 0.0)
        shrink = tl.exp2(largest - new_largest)
        total = total * shrink + tl.sum(weights, axis=1)
        values = tl.load(
            values_ptr + place[:, None] * HEAD_DIM + dim[None, :], mask=alive[:, None] & dim_alive[None, :], other=0.0
        )
        if CODES:
            weights *= tl.load(value_units_ptr + place, mask=alive, other=0.0)[None, :]
        mixed = matrix_product(narrow(weights, query.dtype), values.to(query.dtype), mixed * shrink[:, None])
        largest = new_largest
    return largest, total, mixed
