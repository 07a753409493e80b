"""Attention kernels equal plain torch: contexts cut into parts or not, many tokens or few, every type of cache."""

import pytest
import torch

from sevenb.backend.torch.kernels import attention
from sevenb.backend.torch.kernels.ops import TritonOps
from sevenb.backend.torch.plain import PlainOps
from tests.backend.torch.kernels.steps import DEVICE, Shape, random_cache, step_of

DECODES = [(1, 1), (1, 70), (1, 333)]
MIXED = [(1, 97), (25, 201), (3, 3), (90, 90)]


def close(shape: Shape, lengths: list[tuple[int, int]], cache_dtype: str, dtype: torch.dtype) -> None:
    step = step_of(shape, lengths, shape.head_dim)
    cache = random_cache(shape, step, cache_dtype)
    query = torch.randn(step.tokens, shape.heads * shape.head_dim).to(DEVICE, dtype)
    ours = TritonOps(dtype).attention(query, shape.spec, step, cache, 1)
    plain = PlainOps(dtype).attention(query, shape.spec, step, cache, 1)
    assert ours.dtype == dtype
    assert ours.shape == plain.shape
    tolerance = 0.004 if dtype == torch.float16 else 0.03
    assert torch.allclose(ours.float(), plain.float(), rtol=tolerance, atol=tolerance * float(plain.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_one_token_a_sequence_over_contexts_cut_into_parts(dtype: torch.dtype) -> None:
    close(Shape(), DECODES, "f16" if dtype == torch.float16 else "bf16", dtype)


def test_parts_are_put_together_when_there_are_more_than_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_CHUNK", 2)
    close(Shape(heads=2, kv_heads=1), [(1, 512)], "f16", torch.float16)


def test_a_context_that_is_not_cut_is_written_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "_MOST_PARTS", 1)
    close(Shape(), DECODES, "f16", torch.float16)


def test_drafts_chunks_and_prompts_in_one_step() -> None:
    close(Shape(), MIXED, "f16", torch.float16)


def test_a_window_hides_what_lies_behind_it() -> None:
    close(Shape(window=50), [*DECODES, *MIXED], "f16", torch.float16)


def test_heads_of_a_dimension_that_is_no_power_of_two_and_a_group_of_seven() -> None:
    close(Shape(heads=7, kv_heads=1, head_dim=48, block_size=16), [(1, 130), (20, 20)], "f16", torch.float16)


@pytest.mark.parametrize("cache_dtype", ["int8", "fp8"])
def test_codes_with_units_and_centres(cache_dtype: str) -> None:
    close(Shape(heads=4), [(1, 300), (25, 270)], cache_dtype, torch.float16)


@pytest.mark.parametrize(
    ("sequences", "kv_heads", "context", "parts"),
    [(1, 4, 32768, 64), (1, 4, 64, 1), (1, 4, 200, 4), (8, 4, 8192, 8), (256, 4, 8192, 1)],
)
def test_contexts_are_cut_so_that_an_h100_is_busy(sequences: int, kv_heads: int, context: int, parts: int) -> None:
    assert attention.parts_of(sequences, kv_heads, context, 132) == parts
