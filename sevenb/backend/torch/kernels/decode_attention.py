"""Attention of few tokens a sequence over long contexts: the context is cut into parts, and the parts put together.

Flash-decoding (crfm.stanford.edu/2023/10/12/flashdecoding): at one sequence of a 7B with 4 KV heads an H100 would else
keep 4 of its 132 processors busy. How many parts there are follows from shapes alone, so that a graph can be captured;
how long they are is computed on the card from the context.
"""

# ruff: noqa: N803  constexprs are capitals, as everywhere in Triton
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import triton
import triton.language as tl

from sevenb.backend.torch.kernels.attend import attend
from sevenb.backend.torch.kernels.launch import ANYWHERE, narrow


@triton.jit(do_not_specialize=["widest", "parts"], do_not_specialize_on_alignment=ANYWHERE)
def part_kernel(
    query_ptr,  # [T, heads, HEAD_DIM]
    out_ptr,  # [T, heads, HEAD_DIM]; written where contexts are WHOLE
    partial_ptr,  # [T, heads, parts, HEAD_DIM] float32
    state_ptr,  # [T, heads, parts, 2] float32: largest score, sum of exponents
    starts_ptr,  # [S + 1]
    contexts_ptr,  # [S]
    tables_ptr,  # [S, widest]
    keys_ptr,
    values_ptr,
    key_units_ptr,
    value_units_ptr,
    centre_codes_ptr,
    centre_units_ptr,
    kv_heads,
    widest,
    scale,
    parts,
    WHOLE: tl.constexpr,  # parts is 1
    FEW: tl.constexpr,  # sequences of more tokens than this are another kernel's
    GROUP: tl.constexpr,
    BLOCK: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    WINDOW: tl.constexpr,
    CODES: tl.constexpr,
    ROWS: tl.constexpr,
    DIM: tl.constexpr,
    TILE: tl.constexpr,
    STAGES: tl.constexpr,
):
    """One part of one sequence for one KV head: row r is query token r // GROUP and head r % GROUP of the KV head."""
    sequence = tl.program_id(0)
    kv_head = tl.program_id(1)
    part = tl.program_id(2)
    start = tl.load(starts_ptr + sequence)
    queries = tl.load(starts_ptr + sequence + 1) - start
    context = tl.load(contexts_ptr + sequence)
    if queries > FEW:
        return
    row = tl.arange(0, ROWS)
    token = row // GROUP
    row_alive = token < queries
    position = context - queries + token
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(context - queries + 1 - WINDOW, 0) // TILE * TILE
    span = tl.cdiv(tl.cdiv(context - begin, parts), TILE) * TILE
    first = begin + part * span
    last = tl.minimum(first + span, context)
    dim = tl.arange(0, DIM)
    heads = kv_heads * GROUP
    head_row = (start + token).to(tl.int64) * heads + kv_head * GROUP + row % GROUP  # in [T, heads]
    mask = row_alive[:, None] & (dim < HEAD_DIM)[None, :]
    query = tl.load(query_ptr + head_row[:, None] * HEAD_DIM + dim[None, :], mask=mask, other=0.0)
    largest, total, mixed = attend(
        query, position, first, last, tables_ptr + sequence * widest, keys_ptr, values_ptr, key_units_ptr,
        value_units_ptr, centre_codes_ptr, centre_units_ptr, kv_head, kv_heads, scale,
        BLOCK, HEAD_DIM, WINDOW, CODES, ROWS, DIM, TILE, STAGES,
    )  # fmt: skip
    if WHOLE:
        out = mixed / tl.where(total > 0.0, total, 1.0)[:, None]
        tl.store(
            out_ptr + head_row[:, None] * HEAD_DIM + dim[None, :], narrow(out, out_ptr.dtype.element_ty), mask=mask
        )
    else:
        own = head_row * parts + part
        tl.store(state_ptr + own * 2, largest, mask=row_alive)
        tl.store(state_ptr + own * 2 + 1, total, mask=row_alive)
        if first < last:  # of an empty part nobody reads more than its state
            tl.store(partial_ptr + own[:, None] * HEAD_DIM + dim[None, :], mixed, mask=mask)


@triton.jit(do_not_specialize=["parts"], do_not_specialize_on_alignment=ANYWHERE)
def combine_kernel(
    out_ptr,  # [T, heads, HEAD_DIM]
    partial_ptr,
    state_ptr,
    starts_ptr,
    sequence_ptr,  # [T]: the sequence of each token
    heads,
    parts,
    FEW: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    DIM: tl.constexpr,
    MOST: tl.constexpr,  # parts there may be
    CHUNK: tl.constexpr,  # parts read at once
):
    """One token and head: its parts weighted by how much of all exponents they have."""
    token = tl.program_id(0)
    head = tl.program_id(1)
    sequence = tl.load(sequence_ptr + token)
    if tl.load(starts_ptr + sequence + 1) - tl.load(starts_ptr + sequence) > FEW:
        return
    row = token.to(tl.int64) * heads + head
    every = tl.arange(0, MOST)
    largest = tl.max(tl.load(state_ptr + (row * parts + every) * 2, mask=every < parts, other=-1.0e30), axis=0)
    dim = tl.arange(0, DIM)
    mixed = tl.zeros((DIM,), tl.float32)
    total = 0.0
    for first in tl.range(0, parts, CHUNK):
        part = first + tl.arange(0, CHUNK)
        alive = part < parts
        own = row * parts + part
        sums = tl.load(state_ptr + own * 2 + 1, mask=alive, other=0.0)
        weight = tl.exp2(tl.load(state_ptr + own * 2, mask=alive, other=-1.0e30) - largest)
        total += tl.sum(sums * weight, axis=0)
        values = tl.load(
            partial_ptr + own[:, None] * HEAD_DIM + dim[None, :],
            mask=(alive & (sums > 0.0))[:, None] & (dim < HEAD_DIM)[None, :],
            other=0.0,
        )
        mixed += tl.sum(values * weight[:, None], axis=0)
    out = mixed / tl.where(total > 0.0, total, 1.0)
    tl.store(out_ptr + row * HEAD_DIM + dim, narrow(out, out_ptr.dtype.element_ty), mask=dim < HEAD_DIM)
