"""The native backend's paged KV cache: allocation, RoPE with store, and attention over it."""

from collections.abc import Sequence

import numpy as np

from sevenb.backend.native import _kernels
from sevenb.backend.protocol import AttentionSpec, Batch, FloatArray, KVLayout
from sevenb.errors import InvalidRequest, OutOfMemory


class NativeKVCache:
    """``blocks`` blocks of keys and values in one allocation whose untouched pages take no memory."""

    def __init__(self, layout: KVLayout, blocks: int) -> None:
        """Raises `OutOfMemory` when the system refuses the room, ValueError for a layout no kernel can serve."""
        self.layout = layout
        try:
            self.handle = _kernels.KVCache(*_shape(layout), blocks)
        except MemoryError:
            size = kv_block_bytes(layout) * blocks / 2**30
            raise OutOfMemory(
                f"A KV cache of {size:.1f} GiB does not fit into this machine's memory; lower --max-model-len."
            ) from None

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return int(self.handle.blocks)

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` over all layers, in order."""
        for source, target in pairs:
            self.handle.copy_block(source, target)

    def read_block(self, block: int) -> bytes:
        """The contents of one block over all layers, `kv_block_bytes` long. Raises ValueError when there is none."""
        return self.handle.read_block(block)

    def write_block(self, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        self.handle.write_block(block, contents)


def allocate_kv(layout: KVLayout, blocks: int) -> NativeKVCache:
    """Room for ``blocks`` blocks. Raises `OutOfMemory`."""
    return NativeKVCache(layout, blocks)


def kv_block_bytes(layout: KVLayout) -> int:
    """Bytes of one block over all layers, K and V. Raises `InvalidRequest` for a layout no kernel can serve."""
    try:
        return int(_kernels.kv_block_bytes(*_shape(layout)))
    except ValueError as error:
        raise InvalidRequest(f"The KV cache cannot be laid out: {error}.", "block_size") from None


def paged_batch(batch: Batch) -> _kernels.PagedBatch:
    """What the kernels need of ``batch``, checked and copied once a step. Raises ValueError when its parts disagree."""
    return _kernels.PagedBatch(
        batch.positions,
        batch.query_starts,
        batch.context_lengths,
        batch.block_tables,
        batch.rope_cos,
        batch.rope_sin,
    )


def rope_store(
    pool: _kernels.ThreadPool,
    query: FloatArray,
    key: FloatArray,
    value: FloatArray,
    key_bias: FloatArray | None,
    spec: AttentionSpec,
    batch: _kernels.PagedBatch,
    cache: NativeKVCache,
    layer: int,
    key_balance: FloatArray | None = None,
    query_norm: FloatArray | None = None,
    key_norm: FloatArray | None = None,
) -> None:
    """Rotate ``query`` [T, heads * head_dim] in place and ``key`` [T, kv_heads * head_dim]; store key and value.

    Keys and values are rounded to the cache's type, to nearest even; finite values stay finite. ``key_bias``
    [kv_heads * head_dim] is already part of ``key``: integers round what is left without it
    (``native/kv_integers.h``). Keys are kept times ``key_balance`` [kv_heads * head_dim], queries divided by it. Each
    head is RMS-normed before all that where there is a weight [head_dim] for it.
    """
    _kernels.rope_store(
        pool,
        query,
        key,
        value,
        key_bias,
        key_balance,
        spec.rope_interleaved,
        batch,
        cache.handle,
        layer,
        query_norm,
        key_norm,
        spec.norm_eps,
    )


def paged_attention(
    pool: _kernels.ThreadPool,
    isa: str,
    query: FloatArray,
    spec: AttentionSpec,
    batch: _kernels.PagedBatch,
    cache: NativeKVCache,
    layer: int,
) -> FloatArray:
    """Causal softmax attention of every token over its sequence's stored positions: [T, heads * head_dim]."""
    output = np.empty_like(query)
    _kernels.paged_attention(pool, isa, query, output, spec.window or 0, spec.softmax_scale, batch, cache.handle, layer)
    return output


def _shape(layout: KVLayout) -> tuple[int, int, int, int, str]:
    return layout.layers, layout.kv_heads, layout.head_dim, layout.block_size, layout.dtype
