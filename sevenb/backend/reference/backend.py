"""`ReferenceBackend`: each op of the protocol stated as plainly as NumPy allows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import psutil

from sevenb.backend.protocol import (
    AdaptedRows,
    AttentionSpec,
    AttentionWeights,
    Batch,
    FloatArray,
    IntArray,
    KVLayout,
    LowRank,
    MLPWeights,
    SampleControl,
    Sampled,
)
from sevenb.backend.quant_types import RawTensor
from sevenb.backend.reference import sampling
from sevenb.backend.reference.dequantize import dequantize
from sevenb.backend.reference.quantized_kv import CENTRE_SPAN, KEY_RANGES, rounded_keys, rounded_values, slow_part
from sevenb.errors import OutOfMemory


@dataclass
class ReferenceKVCache:
    """Keys and values, each [layers, blocks, block_size, kv_heads, head_dim], float32.

    They are exact, but for the dtypes of integers: then they are what that rounding leaves, and ``centres`` [layers,
    blocks, kv_heads, head_dim] holds the centre of the positions from a block on (see `quantized_kv`).
    """

    keys: FloatArray
    values: FloatArray
    centres: FloatArray | None
    layout: KVLayout

    def store(self, layer: int, step: Batch, key: FloatArray, value: FloatArray, centre: FloatArray) -> None:
        """Keep the keys, rotated, and values of a step's tokens; all [T, kv_heads, head_dim]."""
        sequence = np.repeat(np.arange(len(step.context_lengths)), np.diff(step.query_starts))

        def block_of(positions: IntArray) -> IntArray:
            return step.block_tables[sequence, positions // self.layout.block_size]

        if self.centres is not None:
            first = step.positions // CENTRE_SPAN * CENTRE_SPAN
            starts = step.positions == first
            self.centres[layer, block_of(step.positions)[starts]] = centre[starts]
            key = rounded_keys(key, self.centres[layer, block_of(first)], KEY_RANGES[self.layout.dtype])
            value = rounded_values(value)
        offset = step.positions % self.layout.block_size
        self.keys[layer, block_of(step.positions), offset] = key
        self.values[layer, block_of(step.positions), offset] = value

    def parts(self, block: int) -> list[FloatArray]:
        """All that is stored of one block, as views."""
        stored = [self.keys, self.values] if self.centres is None else [self.keys, self.values, self.centres]
        return [part[:, block] for part in stored]

    def history(self, layer: int, table: IntArray, length: int) -> tuple[FloatArray, FloatArray]:
        """Keys and values of a sequence's first ``length`` positions: two [length, kv_heads, head_dim]."""
        blocks = table[: -(-length // self.layout.block_size)]
        shape = (-1, *self.keys.shape[3:])
        return (
            self.keys[layer, blocks].reshape(shape)[:length],
            self.values[layer, blocks].reshape(shape)[:length],
        )


class ReferenceBackend:
    """NumPy in float32. Tensors and weights are plain arrays; a step is the batch itself."""

    name = "reference"
    kv_dtypes = ("f32", "f16", "k16v8", "int8")

    def describe(self) -> str:
        """One line for people."""
        return f"reference (NumPy {np.__version__}, float32: exact and slow)"

    # -- loading ---------------------------------------------------------------------------------------

    def pack(self, tensor: RawTensor, *, precise: bool = False, head: bool = False) -> FloatArray:
        """The matrix, dequantised: [rows, columns]; activations are never quantised here."""
        return dequantize(tensor)

    def vector(self, tensor: RawTensor) -> FloatArray:
        """The vector, dequantised: [length]."""
        return dequantize(tensor)

    def row_norms(self, weight: FloatArray, columns: FloatArray) -> FloatArray:
        """Euclidean norm of each row of a matrix whose columns are multiplied by ``columns``: [rows]."""
        norms: FloatArray = np.linalg.norm(weight * columns, axis=1)
        return norms

    def kernel_of(self, weight: FloatArray) -> str:
        """Always NumPy's own product."""
        return "f32·numpy"

    def weight_bytes(self, weight: FloatArray) -> int:
        """Bytes of the dequantised matrix."""
        return weight.nbytes

    def free_memory(self) -> int:
        """Bytes available on the host."""
        return int(psutil.virtual_memory().available)

    def total_memory(self) -> None:
        """It computes in the host's memory."""

    # -- KV cache --------------------------------------------------------------------------------------

    def kv_block_bytes(self, layout: KVLayout) -> int:
        """Bytes of one block, K and V over all layers."""
        vectors = 2 * layout.block_size + (layout.dtype in KEY_RANGES)
        return 4 * layout.layers * vectors * layout.kv_heads * layout.head_dim

    def allocate_kv(self, layout: KVLayout, blocks: int) -> ReferenceKVCache:
        """Zeroed pages. Raises `OutOfMemory`."""
        shape = (layout.layers, blocks, layout.block_size, layout.kv_heads, layout.head_dim)
        try:
            keys, values = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            centres = np.zeros(shape[:2] + shape[3:], np.float32) if layout.dtype in KEY_RANGES else None
            return ReferenceKVCache(keys, values, centres, layout)
        except MemoryError:
            size = blocks * self.kv_block_bytes(layout)
            raise OutOfMemory(f"A KV cache of {size / 2**30:.1f} GiB does not fit; lower --max-model-len.") from None

    def copy_blocks(self, cache: ReferenceKVCache, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)``."""
        for source, target in pairs:
            for copy, original in zip(cache.parts(target), cache.parts(source), strict=True):
                copy[:] = original

    def read_block(self, cache: ReferenceKVCache, block: int) -> bytes:
        """All parts of one block over all layers, one after another, `kv_block_bytes` long."""
        return b"".join(part.tobytes() for part in cache.parts(block))

    def write_block(self, cache: ReferenceKVCache, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        parts = cache.parts(block)
        size = sum(part.nbytes for part in parts)
        if len(contents) != size:
            raise ValueError(f"a block of this cache has {size} bytes, not {len(contents)}")
        stored, start = np.frombuffer(contents, np.float32), 0
        for part in parts:
            part[:] = stored[start : start + part.size].reshape(part.shape)
            start += part.size

    # -- one step --------------------------------------------------------------------------------------

    def run(
        self, batch: Batch, cache: ReferenceKVCache, compute: Callable[[Batch, ReferenceKVCache], FloatArray]
    ) -> FloatArray:
        """The logits of a batch: [R, V]."""
        return compute(self.prepare(batch), cache)

    def prepare(self, batch: Batch) -> Batch:
        """Host arrays are this device's arrays."""
        return batch

    def embed(self, table: FloatArray, step: Batch) -> FloatArray:
        """[T, H]."""
        return table[step.token_ids]

    def norm_qkv_rope_store(
        self,
        hidden: FloatArray,
        weights: AttentionWeights,
        spec: AttentionSpec,
        step: Batch,
        cache: ReferenceKVCache,
        layer: int,
        adapted: Sequence[AdaptedRows] = (),
    ) -> FloatArray:
        """Q [T, heads * head_dim], rotated; K (rotated) and V go to the cache."""
        normed = rms_norm(hidden, weights.norm, spec.norm_eps)

        def project(
            weight: FloatArray, bias: FloatArray | None, name: str, norm: FloatArray | None = None
        ) -> FloatArray:
            projected = normed @ weight.T
            if bias is not None:
                projected += bias
            add_low_rank(projected, normed, adapted, name)
            heads = projected.reshape(len(hidden), -1, spec.head_dim)
            return heads if norm is None else rms_norm(heads, norm, spec.norm_eps)

        query = project(weights.query, weights.query_bias, "query", weights.query_norm)
        key = project(weights.key, weights.key_bias, "key", weights.key_norm)
        value = project(weights.value, weights.value_bias, "value")
        query, key = (rotate(heads, step, spec.rope_interleaved) for heads in (query, key))
        bias = (
            np.zeros_like(key)
            if weights.key_bias is None
            else np.broadcast_to(weights.key_bias.reshape(1, -1, spec.head_dim), key.shape)
        )
        centre = slow_part(rotate(bias, step, spec.rope_interleaved), 2 * step.rope_cos.shape[1], spec.rope_interleaved)
        if weights.key_balance is not None:
            balance = weights.key_balance.reshape(spec.kv_heads, spec.head_dim)
            query = query / np.repeat(balance, spec.heads // spec.kv_heads, axis=0)
            key, centre = key * balance, centre * balance
        cache.store(layer, step, key, value, centre)
        return query.reshape(len(hidden), -1)

    def paged_attention(
        self, query: FloatArray, spec: AttentionSpec, step: Batch, cache: ReferenceKVCache, layer: int
    ) -> FloatArray:
        """[T, heads * head_dim]."""
        output = np.empty_like(query)
        for index, length in enumerate(step.context_lengths):
            rows = slice(step.query_starts[index], step.query_starts[index + 1])
            keys, values = cache.history(layer, step.block_tables[index], length)
            output[rows] = _attend(query[rows], keys, values, step.positions[rows], spec)
        return output

    def project_add(
        self, hidden: FloatArray, inputs: FloatArray, weight: FloatArray, adapted: Sequence[AdaptedRows] = ()
    ) -> FloatArray:
        """[T, H]."""
        return add_low_rank(hidden + inputs @ weight.T, inputs, adapted, "output")

    def gated_mlp_add(
        self, hidden: FloatArray, weights: MLPWeights, norm_eps: float, adapted: Sequence[AdaptedRows] = ()
    ) -> FloatArray:
        """[T, H]."""
        normed = rms_norm(hidden, weights.norm, norm_eps)
        gate = add_low_rank(normed @ weights.gate.T, normed, adapted, "gate")
        up = add_low_rank(normed @ weights.up.T, normed, adapted, "up")
        with np.errstate(over="ignore"):
            activated: FloatArray = gate / (1 + np.exp(-gate)) * up
        return add_low_rank(hidden + activated @ weights.down.T, activated, adapted, "down")

    def logits(
        self, hidden: FloatArray, norm: FloatArray, norm_eps: float, head: FloatArray, step: Batch
    ) -> FloatArray:
        """[R, V]."""
        return rms_norm(hidden[step.logit_rows], norm, norm_eps) @ head.T

    def normed(self, hidden: FloatArray, norm: FloatArray, norm_eps: float, rows: Sequence[int]) -> FloatArray:
        """[len(rows), H]."""
        return rms_norm(hidden[list(rows)], norm, norm_eps)

    # -- choosing --------------------------------------------------------------------------------------

    def sample(self, logits: FloatArray, controls: Sequence[SampleControl]) -> list[Sampled]:
        """One token a row."""
        return [sampling.sample_row(row, control) for row, control in zip(logits, controls, strict=True)]

    def token_logprobs(
        self, logits: FloatArray, rows: Sequence[int], token_ids: Sequence[int], top: int
    ) -> list[Sampled]:
        """Log-probabilities of given tokens."""
        return [
            sampling.with_logprobs(logits[row], token_id, top) for row, token_id in zip(rows, token_ids, strict=True)
        ]

    def to_host(self, tensor: FloatArray) -> FloatArray:
        """The array itself, as float32."""
        return np.asarray(tensor, np.float32)


def rms_norm(hidden: FloatArray, weight: FloatArray, eps: float) -> FloatArray:
    """Root-mean-square norm (arXiv 1910.07467) over the last axis."""
    mean_square = np.mean(np.square(hidden), axis=-1, keepdims=True, dtype=np.float32)
    normed: FloatArray = hidden / np.sqrt(mean_square + np.float32(eps)) * weight
    return normed


def add_low_rank(outputs: FloatArray, inputs: FloatArray, adapted: Sequence[AdaptedRows], name: str) -> FloatArray:
    """Add to the projection ``name`` of ``inputs`` what the adapters of some rows add, in place; returns it."""
    for rows in adapted:
        low_rank: LowRank | None = getattr(rows.adapter, name)
        if low_rank is not None:
            shrunk = inputs[rows.start : rows.end] @ low_rank.shrink.T
            outputs[rows.start : rows.end] += np.float32(low_rank.scale) * (shrunk @ low_rank.expand.T)
    return outputs


def rotate(heads: FloatArray, step: Batch, interleaved: bool) -> FloatArray:
    """Rotate the first ``rotary_dim`` elements of every head by the step's angles: [T, heads, head_dim]."""
    cos, sin = step.rope_cos[:, None, :], step.rope_sin[:, None, :]
    half = cos.shape[-1]
    first, second = (
        (slice(0, 2 * half, 2), slice(1, 2 * half, 2)) if interleaved else (slice(0, half), slice(half, 2 * half))
    )
    rotated = heads.copy()
    rotated[..., first] = heads[..., first] * cos - heads[..., second] * sin
    rotated[..., second] = heads[..., first] * sin + heads[..., second] * cos
    return rotated


def _attend(
    query: FloatArray, keys: FloatArray, values: FloatArray, positions: IntArray, spec: AttentionSpec
) -> FloatArray:
    """Softmax attention of some tokens of one sequence: [t, heads * head_dim]."""
    seen_from = np.arange(len(keys))
    visible = seen_from[None, :] <= positions[:, None]
    if spec.window is not None:
        visible &= seen_from[None, :] > positions[:, None] - spec.window
    group = spec.heads // spec.kv_heads
    queries = query.reshape(len(query), spec.kv_heads, group, spec.head_dim)
    scores: FloatArray = np.einsum("tkgd,skd->kgts", queries, keys, optimize=True) * np.float32(spec.softmax_scale)
    scores[:, :, ~visible] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    weights = np.exp(scores)
    weights /= weights.sum(axis=-1, keepdims=True)
    attended: FloatArray = np.einsum("kgts,skd->tkgd", weights, values, optimize=True)
    return attended.reshape(len(query), -1)
