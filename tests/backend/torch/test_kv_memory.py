"""The torch backend's KV pool in the host's memory: taken as it is written to, and zeros before."""

import psutil
import pytest

from sevenb.backend.protocol import KVLayout
from tests.torch_or_skip import torch

BLOCKS = 400


@pytest.mark.parametrize("dtype", ["f32", "bf16", "int8", "fp8"])
def test_a_pool_takes_memory_only_where_it_is_written_to(dtype: str) -> None:
    from sevenb.backend.torch.kv import allocate_kv, block_bytes

    layout = KVLayout(layers=8, kv_heads=8, head_dim=128, block_size=16, dtype=dtype)
    before = psutil.Process().memory_info().rss
    cache = allocate_kv(layout, BLOCKS, torch.device("cpu"))
    taken = psutil.Process().memory_info().rss - before
    assert sum(part.nbytes for part in cache.parts()) > BLOCKS * block_bytes(layout)
    assert taken < BLOCKS * block_bytes(layout) / 4
    assert cache.read_block(BLOCKS - 1) == bytes(block_bytes(layout))
    contents = bytes(range(256)) * (block_bytes(layout) // 256)
    cache.write_block(7, contents)
    cache.copy_blocks([(7, 8)])
    assert cache.read_block(8) == contents
    assert cache.read_block(9) == bytes(block_bytes(layout))
