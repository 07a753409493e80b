"""What is said of a model's memory is what the kernels take, and its parts agree with each other."""

import itertools

import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.protocol import KVLayout
from sevenb.model.catalog import CATALOG
from sevenb.model.memory import KV_TYPES, activation_bytes, context_for, kv_block_bytes, memory_needed
from sevenb.model.shape import ModelShape

SHAPES = [entry.shape for entry in CATALOG.entries]


@pytest.mark.parametrize("dtype", KV_TYPES)
def test_blocks_of_keys_and_values_are_as_large_as_the_kernels_make_them(dtype: str) -> None:
    backend = NativeBackend(threads=1)
    for layers, heads, size, block in itertools.product((1, 24), (1, 3), (1, 33, 64, 80, 128), (4, 16, 32, 256)):
        layout = KVLayout(layers, heads, size, block, dtype)
        kind = next(known for known in KV_TYPES if known == dtype)
        assert kv_block_bytes(layers, heads, size, block, kind) == backend.kv_block_bytes(layout)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: f"{shape.parameters:,}")
def test_the_longest_context_for_a_memory_is_the_last_that_it_is_enough_for(shape: ModelShape) -> None:
    for memory in (2 * 10**9, 17 * 10**9):
        context = context_for(shape, 10**9, memory)
        assert memory_needed(shape, 10**9, context) <= memory < memory_needed(shape, 10**9, context + 1)
    assert context_for(shape, 10**9, 10**9) == 0


def test_larger_steps_and_more_rows_take_more() -> None:
    shape = SHAPES[0]
    small = activation_bytes(shape, context=4096)
    assert small < activation_bytes(shape, context=4096, tokens=1024)
    assert activation_bytes(shape, context=4096, rows=65) - small == 64 * 4 * shape.vocab_size
    assert small < activation_bytes(shape, context=4096, floats=True)
