"""Launching attention over the paged cache: how contexts and queries are cut up, and why."""

import math

import torch
import triton
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec
from sevenb.backend.torch.kernels.decode_attention import combine_kernel, part_kernel
from sevenb.backend.torch.kernels.prefill_attention import prefill_kernel
from sevenb.backend.torch.kernels.products import processors_of
from sevenb.backend.torch.kernels.turn import turn_kernel
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.step import TorchStep

# Up to so many rows (query tokens times heads of a KV head) a sequence waits for keys and values, not for products:
# then its context is cut up. A draft of eight tokens of a 7B (7 heads a KV head) is among them.
_FEW_ROWS = 64
# Positions read at once: 64 keys and values of 128 channels in 16 bits are 32 KB, three of which a processor can have
# on their way. It divides a span of centres.
_TILE = 64
_MOST_PARTS = 64
_CHUNK = 16  # parts that are put together at once
_TURNED = 4  # heads a program turns: few, as there are only dozens in a step of one token


def attention(query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    """What `PlainOps.attention` says. Heads are turned before and after where those in the cache are."""
    if not cache.rounded:
        return _attention(query.contiguous(), spec, step, cache, layer)
    return _turned(_attention(_turned(query.contiguous(), spec), spec, step, cache, layer), spec)


def _attention(query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    out = torch.empty_like(query)
    tokens, sequences = len(query), len(step.contexts)
    group = spec.heads // spec.kv_heads
    few = max(1, _FEW_ROWS // group)
    lengths = [end - start for start, end in zip(step.starts, step.starts[1:], strict=False)]
    state = (step.query_starts, step.context_lengths, step.block_tables, *_cache_of(cache, layer))
    widest, scale = step.block_tables.shape[1], spec.softmax_scale * math.log2(math.e)
    heads = {
        "HEAD_DIM": spec.head_dim, "DIM": triton.next_power_of_2(max(spec.head_dim, 16)),
    }  # fmt: skip
    shape = {
        "FEW": few, "GROUP": group, "BLOCK": cache.layout.block_size, "WINDOW": spec.window or 0,
        "CODES": cache.rounded, "TILE": _TILE, **heads,
    }  # fmt: skip
    short = [length for length in lengths if length <= few]
    if short:
        rows = triton.next_power_of_2(max(16, max(short) * group))
        parts = parts_of(sequences, spec.kv_heads, step.longest_context, processors_of(query.device))
        partial = query.new_empty((tokens, spec.heads, parts, spec.head_dim), dtype=torch.float32)
        sums = query.new_empty((tokens, spec.heads, parts, 2), dtype=torch.float32)
        part_kernel[(sequences, spec.kv_heads, parts)](
            query, out, partial, sums, *state, spec.kv_heads, widest, scale, parts,
            WHOLE=parts == 1, ROWS=rows, STAGES=3, **shape, num_warps=4,
        )  # fmt: skip
        if parts > 1:
            combine_kernel[(tokens, spec.heads)](
                out, partial, sums, step.query_starts, step.sequences, spec.heads, parts,
                FEW=few, **heads, MOST=_MOST_PARTS, CHUNK=_CHUNK, num_warps=4,
            )  # fmt: skip
    if len(short) < sequences:
        # 128 rows of 128 channels are two warp groups of Hopper's products; 8 warps hold them without spilling.
        rows = max(128, triton.next_power_of_2(group))
        queries = rows // group
        prefill_kernel[(tokens // queries + sequences, spec.kv_heads)](
            query, out, *state, sequences, spec.kv_heads, widest, scale,
            QUERIES=queries, ROWS=rows, STAGES=2, **shape, num_warps=8,
        )  # fmt: skip
    return out


def parts_of(sequences: int, kv_heads: int, longest_context: int, processors: int) -> int:
    """Into how many parts to cut contexts: two programs a processor, and no part without a tile."""
    wanted = triton.cdiv(2 * processors, sequences * kv_heads)
    parts = max(1, min(wanted, triton.cdiv(longest_context, _TILE), _MOST_PARTS))
    return 1 << (parts.bit_length() - 1)  # few kernels: a power of two


def _cache_of(cache: TorchKVCache, layer: int) -> tuple[Tensor, ...]:
    parts = (cache.key_units, cache.value_units, cache.centre_codes, cache.centre_units)
    return (cache.keys[layer], cache.values[layer], *(cache.keys if part is None else part[layer] for part in parts))


def _turned(query: Tensor, spec: AttentionSpec) -> Tensor:
    out = torch.empty_like(query)
    heads = query.numel() // spec.head_dim
    turn_kernel[(triton.cdiv(heads, _TURNED),)](
        query, out, heads, HEAD_DIM=spec.head_dim, TURN=spec.head_dim & -spec.head_dim,
        ROWS=_TURNED, DIM=triton.next_power_of_2(max(spec.head_dim, 16)), num_warps=1,
    )  # fmt: skip
    return out
