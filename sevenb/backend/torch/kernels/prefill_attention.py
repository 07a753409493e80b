"""Attention of many tokens a sequence: one program takes a tile of query tokens with all heads of one KV head."""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.attend import attend
from sevenb.backend.torch.kernels.launch import ANYWHERE, narrow


@triton.jit(do_not_specialize=["sequences", "widest"], do_not_specialize_on_alignment=ANYWHERE)
def prefill_kernel(
    query_ptr,  # [T, heads, HEAD_DIM]
    out_ptr,  # [T, heads, HEAD_DIM]
    starts_ptr,  # [S + 1]
    contexts_ptr,  # [S]
    tables_ptr,  # [S, widest]
    keys_ptr,
    values_ptr,
    key_units_ptr,
    value_units_ptr,
    centre_codes_ptr,
    centre_units_ptr,
    sequences,
    kv_heads,
    widest,
    scale,
    FEW: tl.constexpr,  # sequences of no more tokens than this are another kernel's
    GROUP: tl.constexpr,
    QUERIES: tl.constexpr,  # tokens in a tile: ROWS // GROUP
    BLOCK: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    CODES: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    TILE: tl.constexpr,
    STAGES: tl.constexpr,
):
    """Row r is token r // GROUP of the tile and head r % GROUP of the KV head. Longest tiles come first."""
    tile = tl.num_programs(0) - 1 - tl.program_id(0)
    kv_head = tl.program_id(1)
    # The tiles of sequence s begin at starts[s] // QUERIES + s: no fewer than it needs, and known without a scan.
    low = 0
    high = sequences
    while high - low > 1:
        middle = (low + high) // 2
        if tl.load(starts_ptr + middle) // QUERIES + middle <= tile:
            low = middle
        else:
            high = middle
    start = tl.load(starts_ptr + low)
    queries = tl.load(starts_ptr + low + 1) - start
    before = (tile - (start // QUERIES + low)) * QUERIES
    if (before >= queries) | (queries <= FEW):
        return
    context = tl.load(contexts_ptr + low)
    row = tl.arange(0, ROWS)
    token = before + row // GROUP
    row_alive = (row < QUERIES * GROUP) & (token < queries)
    position = context - queries + token
    seen = tl.minimum(context - queries + before + QUERIES, context)
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(context - queries + before + 1 - WINDOW, 0) // TILE * TILE
    dim = tl.arange(0, DIM)
    heads = kv_heads * GROUP
    head_row = (start + token).to(tl.int64) * heads + kv_head * GROUP + row % GROUP
    mask = row_alive[:, None] & (dim < HEAD_DIM)[None, :]
    query = tl.load(query_ptr + head_row[:, None] * HEAD_DIM + dim[None, :], mask=mask, other=0.0)
    _, total, mixed = attend(
        query, position, begin, seen, tables_ptr + low * widest, keys_ptr, values_ptr, key_units_ptr,
        value_units_ptr, centre_codes_ptr, centre_units_ptr, kv_head, kv_heads, scale,
        BLOCK, HEAD_DIM, WINDOW, CODES, ROWS, DIM, TILE, STAGES,
    )  # fmt: skip
    out = mixed / tl.where(total > 0.0, total, 1.0)[:, None]
    tl.store(out_ptr + head_row[:, None] * HEAD_DIM + dim[None, :], narrow(out, out_ptr.dtype.element_ty), mask=mask)
