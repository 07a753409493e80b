"""Launching RoPE and the write into the paged cache."""

import torch
import triton
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec, AttentionWeights
from sevenb.backend.torch.kernels.rope_store import rope_store_kernel
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.step import TorchStep

_TOKENS = 16  # a tile


def rope_store(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    weights: AttentionWeights,
    spec: AttentionSpec,
    step: TorchStep,
    cache: TorchKVCache,
    layer: int,
) -> Tensor:
    """What `PlainOps.rope_store` says; Q, K and V may be columns of one tensor."""
    tokens = len(query)
    out = torch.empty((tokens, spec.heads * spec.head_dim), dtype=query.dtype, device=query.device)
    if not tokens:
        return out
    # One token a program where there are few, so that all run at once; else enough to share what they have in common.
    tile = 1 if tokens <= 64 else _TOKENS

    def given(part: Tensor | None) -> Tensor:
        return out if part is None else part

    rounded = cache.rounded
    rope_store_kernel[(triton.cdiv(tokens, tile), spec.heads + spec.kv_heads)](
        query,
        key,
        value,
        out,
        step.rope_cos,
        step.rope_sin,
        step.positions,
        step.sequences,
        step.query_starts,
        step.block_tables,
        given(weights.query_norm),
        given(weights.key_norm),
        given(weights.key_balance),
        given(weights.key_bias),
        cache.keys[layer],
        cache.values[layer],
        *(part[layer] if part is not None else out for part in (cache.key_units, cache.value_units)),
        *(part[layer] if part is not None else out for part in (cache.centre_codes, cache.centre_units)),
        tokens,
        spec.heads,
        spec.kv_heads,
        step.block_tables.shape[1],
        query.stride(0),
        key.stride(0),
        value.stride(0),
        spec.norm_eps,
        QUERY_NORM=weights.query_norm is not None,
        KEY_NORM=weights.key_norm is not None,
        BALANCE=weights.key_balance is not None,
        CENTRE=rounded and weights.key_bias is not None,
        INTERLEAVED=spec.rope_interleaved,
        HALF=step.rope_cos.shape[1],
        BLOCK=cache.layout.block_size,
        HEAD_DIM=spec.head_dim,
        LARGEST=cache.largest if rounded else 0.0,
        TURN=spec.head_dim & -spec.head_dim,
        TOKENS=tile,
        DIM=triton.next_power_of_2(max(spec.head_dim, 16)),
        num_warps=4 if tile > 1 else 1,
    )
    return out
