"""Rotary positions in plain torch, and keeping the rotated keys with their values in the paged cache."""

from dataclasses import dataclass

import torch
from torch import Tensor

from sevenb.backend.protocol import AttentionSpec, AttentionWeights
from sevenb.backend.torch.kv import CENTRE_LARGEST, CENTRE_SPAN, TorchKVCache
from sevenb.backend.torch.step import TorchStep


@dataclass(frozen=True)
class Rotated:
    """Heads of a step's tokens, float32."""

    query: Tensor  # [T, heads * head_dim]
    key: Tensor  # [T, kv_heads, head_dim]
    centre: Tensor | None  # [T, kv_heads, head_dim]: what a cache of codes takes from keys before it rounds them


def rotate(query: Tensor, key: Tensor, weights: AttentionWeights, spec: AttentionSpec, step: TorchStep) -> Rotated:
    """Norm heads where the weights say so, rotate Q and K, balance them."""

    def turned(heads: Tensor, norm: Tensor | None = None) -> Tensor:
        heads = heads.float().view(len(heads), -1, spec.head_dim)
        if norm is not None:
            heads = heads * torch.rsqrt(heads.square().mean(-1, keepdim=True) + spec.norm_eps) * norm
        return _rotated(heads, step, spec.rope_interleaved)

    queries, keys, centre = turned(query, weights.query_norm), turned(key, weights.key_norm), None
    if weights.key_bias is not None:
        centre = turned(weights.key_bias.expand(len(key), -1))
        centre = centre * _slow_channels(centre, step.rope_cos.shape[1], spec.rope_interleaved)
    if weights.key_balance is not None:
        balance = weights.key_balance.view(spec.kv_heads, spec.head_dim)
        queries = queries / balance.repeat_interleave(spec.heads // spec.kv_heads, dim=0)
        keys = keys * balance
        centre = None if centre is None else centre * balance
    return Rotated(queries.reshape(query.shape), keys, centre)


def _rotated(heads: Tensor, step: TorchStep, interleaved: bool) -> Tensor:
    """Rotate the first ``rotary_dim`` elements of every head: [T, heads, head_dim]."""
    cos, sin = step.rope_cos.unsqueeze(1), step.rope_sin.unsqueeze(1)
    half = cos.shape[-1]
    turning, rest = heads[..., : 2 * half], heads[..., 2 * half :]
    if interleaved:
        first, second = turning[..., 0::2], turning[..., 1::2]
    else:
        first, second = turning[..., :half], turning[..., half:]
    pair = (first * cos - second * sin, first * sin + second * cos)
    turned = torch.stack(pair, dim=-1).flatten(-2) if interleaved else torch.cat(pair, dim=-1)
    return torch.cat((turned, rest), dim=-1) if rest.shape[-1] else turned


def _slow_channels(heads: Tensor, half: int, interleaved: bool) -> Tensor:
    """1 for channels that RoPE turns slowly or not at all, 0 for those of the first half of the pairs: [head_dim]."""
    channel = torch.arange(heads.shape[-1], device=heads.device)
    pair = channel // 2 if interleaved else channel % half
    return ((pair >= half // 2) | (channel >= 2 * half)).to(heads.dtype)


def store(key: Tensor, value: Tensor, centre: Tensor | None, step: TorchStep, cache: TorchKVCache, layer: int) -> None:
    """Keep keys and values of a step's tokens, float32 [T, kv_heads, head_dim], rounded to the cache's type."""
    size = cache.layout.block_size
    blocks = _block_of(step.positions, step, size)
    offsets = step.positions % size
    if cache.key_units is None or cache.value_units is None:
        cache.keys[layer, blocks, :, offsets] = _clamped(key, cache.keys.dtype)
        cache.values[layer, blocks, :, offsets] = _clamped(value, cache.values.dtype)
        return
    turn = cache.hadamard
    assert turn is not None
    keys, values = key @ turn, value @ turn
    if centre is not None:
        keys = keys - _centres(centre @ turn, step, cache, layer)
    for heads, codes, units in ((keys, cache.keys, cache.key_units), (values, cache.values, cache.value_units)):
        rounded, unit = _rounded(heads, cache.largest, codes.dtype)
        codes.view(torch.uint8)[layer, blocks, :, offsets] = rounded.view(torch.uint8)
        units[layer, blocks, :, offsets] = unit


def _centres(centre: Tensor, step: TorchStep, cache: TorchKVCache, layer: int) -> Tensor:
    """Keep the centres of spans that begin in this step; what each token's key is relative to, as it was kept."""
    assert cache.centre_codes is not None
    assert cache.centre_units is not None
    codes, units = cache.centre_codes[layer], cache.centre_units[layer]
    offsets = step.positions % CENTRE_SPAN
    homes = _block_of(step.positions - offsets, step, cache.layout.block_size)
    rounded, unit = _rounded(centre, CENTRE_LARGEST, torch.int8)
    # All tokens of a span put back the same: what its first token says, or what is there if that was an earlier step's.
    first = torch.arange(len(centre), device=centre.device) - offsets
    begins = first >= step.query_starts[step.sequences]
    first = first.clamp(min=0)
    kept = torch.where(begins[:, None, None], rounded[first], codes[homes])
    kept_unit = torch.where(begins[:, None], unit[first], units[homes])
    codes[homes], units[homes] = kept, kept_unit
    return kept.float() * kept_unit.unsqueeze(-1)


def _block_of(positions: Tensor, step: TorchStep, block_size: int) -> Tensor:
    return step.block_tables[step.sequences, positions // block_size].long()


def _rounded(heads: Tensor, largest: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """Codes of one unit a head, and the units."""
    unit = heads.abs().amax(-1) / largest
    scaled = heads / torch.where(unit > 0, unit, 1.0).unsqueeze(-1)
    return (scaled.clamp(-largest, largest) if dtype.is_floating_point else scaled.round()).to(dtype), unit


def _clamped(heads: Tensor, dtype: torch.dtype) -> Tensor:
    """Rounded to ``dtype``; finite numbers stay finite."""
    if dtype != torch.float16:
        return heads.to(dtype)
    largest = torch.finfo(dtype).max
    return heads.clamp(-largest, largest).to(dtype)
