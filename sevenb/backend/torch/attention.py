"""Causal softmax attention over the paged cache, in plain torch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec
from sevenb.backend.torch.kv import CENTRE_SPAN, TorchKVCache
from sevenb.backend.torch.step import TorchStep


def attend(query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    """[T, heads * head_dim], of the query's dtype."""
    queries = query if cache.hadamard is None else _turned(query, cache.hadamard)
    attended = (
        _decode(queries, spec, step, cache, layer) if step.decodes else _chunks(queries, spec, step, cache, layer)
    )
    return attended if cache.hadamard is None else _turned(attended, cache.hadamard)


def _decode(query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    """One token a sequence, all at once, over block tables as wide as the widest."""
    widest = -(-step.longest_context // cache.layout.block_size)
    keys, values = _history(step.block_tables[:, :widest], query.dtype, cache, layer)
    seen_from = torch.arange(keys.shape[2], device=query.device)
    visible = _visible(seen_from, step.positions[:, None], spec.window)  # [S, widest * block_size]
    # What was left in a block by others is not even multiplied by zero or masked by a sum: it might be no number.
    keys, values = (torch.where(visible[:, None, :, None], stored, 0) for stored in (keys, values))
    heads = query.view(len(query), spec.kv_heads, -1, spec.head_dim)
    attended = F.scaled_dot_product_attention(
        heads, keys, values, attn_mask=visible[:, None, None], scale=spec.softmax_scale
    )
    return attended.reshape(query.shape)


def _chunks(query: Tensor, spec: AttentionSpec, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    """Several tokens of some sequences, one sequence after another."""
    group, parts = spec.heads // spec.kv_heads, []
    for index, length in enumerate(step.contexts):
        start, end = step.starts[index], step.starts[index + 1]
        used = -(-length // cache.layout.block_size)
        keys, values = _history(step.block_tables[index : index + 1, :used], query.dtype, cache, layer)
        keys, values = keys[:, :, :length], values[:, :, :length]
        # The heads that share a KV head are further rows of the same product.
        heads = query[start:end].view(end - start, spec.kv_heads, group, spec.head_dim).permute(1, 2, 0, 3)
        rows = heads.reshape(1, spec.kv_heads, group * (end - start), spec.head_dim)
        seen_from = torch.arange(length, device=query.device)
        visible = _visible(seen_from, step.positions[start:end, None], spec.window).repeat(group, 1)
        attended = F.scaled_dot_product_attention(rows, keys, values, attn_mask=visible, scale=spec.softmax_scale)
        attended = attended.view(spec.kv_heads, group, end - start, spec.head_dim).permute(2, 0, 1, 3)
        parts.append(attended.reshape(end - start, -1))
    return torch.cat(parts)


def _visible(seen_from: Tensor, positions: Tensor, window: int | None) -> Tensor:
    visible = seen_from <= positions
    return visible if window is None else visible & (seen_from > positions - window)


def _history(tables: Tensor, dtype: torch.dtype, cache: TorchKVCache, layer: int) -> tuple[Tensor, Tensor]:
    """Keys and values in the blocks of ``tables`` [S, W]: two [S, kv_heads, W * block_size, head_dim], still turned."""
    keys, values = cache.keys[layer][tables], cache.values[layer][tables]  # [S, W, kv_heads, block_size, head_dim]
    if cache.key_units is not None and cache.value_units is not None:
        keys = keys.float() * cache.key_units[layer][tables].unsqueeze(-1) + _centres(tables, cache, layer)
        values = values.float() * cache.value_units[layer][tables].unsqueeze(-1)
    return _joined(keys, dtype), _joined(values, dtype)


def _centres(tables: Tensor, cache: TorchKVCache, layer: int) -> Tensor:
    """What was taken from the keys of each block: [S, W, kv_heads, 1, head_dim]."""
    assert cache.centre_codes is not None
    assert cache.centre_units is not None
    positions = torch.arange(tables.shape[1], device=tables.device) * cache.layout.block_size
    homes = tables[:, positions // CENTRE_SPAN * CENTRE_SPAN // cache.layout.block_size]
    centres = cache.centre_codes[layer][homes].float() * cache.centre_units[layer][homes].unsqueeze(-1)
    return centres.unsqueeze(3)


def _joined(heads: Tensor, dtype: torch.dtype) -> Tensor:
    return heads.permute(0, 2, 1, 3, 4).flatten(2, 3).to(dtype)


def _turned(heads: Tensor, turn: Tensor) -> Tensor:
    return (heads.view(len(heads), -1, len(turn)).float() @ turn).view(heads.shape).to(heads.dtype)
