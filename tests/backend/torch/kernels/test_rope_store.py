"""Rotating Q and K and keeping K and V equals plain torch, for every type of cache."""

import pytest
import torch

from sevenb.backend.torch.kernels.ops import TritonOps
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.plain import PlainOps
from tests.backend.torch.kernels.steps import DEVICE, Shape, attention_weights, copy_of, random_cache, step_of

LENGTHS = [(1, 300), (3, 258), (9, 9), (1, 257)]


def both(
    shape: Shape,
    cache_dtype: str,
    lengths: list[tuple[int, int]],
    *,
    dtype: torch.dtype = torch.float16,
    rotary_dim: int | None = None,
    norms: bool = False,
    balance: bool = False,
    bias: bool = False,
) -> tuple[TorchKVCache, TorchKVCache]:
    """Run both; the queries must agree, and the caches of kernel and plain torch come back."""
    torch.manual_seed(1)
    step = step_of(shape, lengths, rotary_dim or shape.head_dim)
    weights = attention_weights(shape, norms=norms, balance=balance, bias=bias)
    sizes = [heads * shape.head_dim for heads in (shape.heads, shape.kv_heads, shape.kv_heads)]
    joined = torch.randn(step.tokens, sum(sizes)).to(DEVICE, dtype)  # as one launch leaves them: rows of all three
    query, key, value = torch.split(joined, sizes, 1)
    cache = random_cache(shape, step, cache_dtype)
    caches = (cache, copy_of(cache))
    queries = [
        ops.rope_store(query, key, value, weights, shape.spec, step, own, 1)
        for ops, own in zip((TritonOps(dtype), PlainOps(dtype)), caches, strict=True)
    ]
    tolerance = 0.002 if dtype == torch.float16 else 0.01
    assert torch.allclose(queries[0].float(), queries[1].float(), rtol=tolerance, atol=tolerance)
    return caches


def numbers(cache: TorchKVCache) -> list[torch.Tensor]:
    """Keys (as kept, without centres) and values."""
    units = (cache.key_units, cache.value_units)
    parts = zip((cache.keys, cache.values), units, strict=True)
    return [part.float() if unit is None else part.float() * unit.unsqueeze(-1) for part, unit in parts]


def agree(caches: tuple[TorchKVCache, TorchKVCache], tolerance: float) -> None:
    for ours, plain in zip(*(numbers(cache) for cache in caches), strict=True):
        assert torch.allclose(ours, plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("cache_dtype", ["f32", "f16", "bf16"])
def test_plain_numbers(cache_dtype: str) -> None:
    agree(both(Shape(), cache_dtype, LENGTHS), {"f32": 1e-5, "f16": 1e-3, "bf16": 1e-2}[cache_dtype])


def test_pairs_side_by_side_part_of_a_head_and_a_head_of_no_power_of_two() -> None:
    shape = Shape(heads=3, kv_heads=1, head_dim=48, block_size=16, interleaved=True)
    agree(both(shape, "f16", LENGTHS, rotary_dim=20, dtype=torch.bfloat16), 1e-3)


def test_norms_over_heads_and_balanced_keys() -> None:
    agree(both(Shape(), "f16", LENGTHS, norms=True, balance=True), 1e-3)


def test_a_prompt_longer_than_a_tile() -> None:
    agree(both(Shape(heads=2, kv_heads=1), "f16", [(70, 70), (5, 40)]), 1e-3)


def test_what_float16_cannot_hold_stays_finite() -> None:
    shape = Shape(heads=2, kv_heads=1)
    step = step_of(shape, [(1, 1)], shape.head_dim)
    cache = random_cache(shape, step, "f16")
    huge = torch.full((1, 32), 1e9, device=DEVICE)
    weights = attention_weights(shape, norms=False, balance=False, bias=False)
    TritonOps(torch.bfloat16).rope_store(huge.repeat(1, 2), huge, huge, weights, shape.spec, step, cache, 0)
    block = int(step.block_tables[0, 0])
    assert cache.values[0, block, 0, 0].tolist() == [65504.0] * 32


@pytest.mark.parametrize("cache_dtype", ["int8", "fp8"])
@pytest.mark.parametrize("bias", [False, True])
def test_codes_of_turned_heads(cache_dtype: str, bias: bool) -> None:
    """Rounding may fall to the other side where sums differ in their last bit: one code, or an eighth in fp8."""
    caches = both(Shape(heads=2), cache_dtype, [*LENGTHS, (8, 262)], bias=bias, balance=bias)
    ours, plain = caches
    assert ours.centre_codes is not None
    assert plain.centre_codes is not None
    assert (ours.centre_codes.int() - plain.centre_codes.int()).abs().max() <= 1
    for kept, wanted in zip(numbers(ours), numbers(plain), strict=True):
        error = (kept - wanted).abs()
        assert (error <= 0.126 * wanted.abs() + 0.05).all()
        assert error.mean() <= 1e-4
