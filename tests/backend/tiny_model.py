"""A tiny decoder layer with random weights, and batches over it: what the backend tests feed to every device."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sevenb.backend.protocol import (
    AdaptedRows,
    AttentionSpec,
    AttentionWeights,
    Backend,
    Batch,
    KVCache,
    KVLayout,
    MLPWeights,
    Step,
    Tensor,
)
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.model.config import RopeConfig
from sevenb.model.rope import RopeProfile

HIDDEN, HEADS, KV_HEADS, HEAD_DIM, INNER, VOCAB, BLOCK = 128, 4, 2, 32, 192, 301, 8
EPS = 1e-6


@dataclass(frozen=True)
class Chunk:
    """Tokens of one sequence in a step: those at ``start .. start + len(token_ids)``, in these KV blocks."""

    token_ids: list[int]
    start: int
    blocks: list[int]


def make_batch(chunks: list[Chunk], rope: RopeProfile) -> Batch:
    """The `Batch` of some chunks, with the logits of every token wanted."""
    positions = np.concatenate([np.arange(c.start, c.start + len(c.token_ids)) for c in chunks]).astype(np.int32)
    widest = max(len(c.blocks) for c in chunks)
    cos, sin = rope.angles(positions)
    return Batch(
        token_ids=np.concatenate([c.token_ids for c in chunks]).astype(np.int32),
        positions=positions,
        query_starts=np.cumsum([0] + [len(c.token_ids) for c in chunks]).astype(np.int32),
        context_lengths=np.array([c.start + len(c.token_ids) for c in chunks], np.int32),
        block_tables=np.array([c.blocks + [0] * (widest - len(c.blocks)) for c in chunks], np.int32),
        logit_rows=np.arange(len(positions), dtype=np.int32),
        rope_cos=cos,
        rope_sin=sin,
    )


def raw_f32(name: str, values: npt.NDArray[np.floating]) -> RawTensor:
    """An F32 tensor as a file would hold it."""
    values = np.ascontiguousarray(values, np.float32)
    return RawTensor(name, QuantType.F32, values.shape, values.view(np.uint8).reshape(-1))


def raw_q8_0(name: str, values: npt.NDArray[np.floating]) -> RawTensor:
    """``values`` [rows, columns] quantised to Q8_0: an f16 scale and 32 signed bytes a block."""
    rows, columns = values.shape
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype(np.float16)
    quants = np.rint(blocks / np.maximum(scales.astype(np.float32), 1e-12)).clip(-127, 127).astype(np.int8)
    data = np.concatenate([scales.view(np.uint8).reshape(-1, 2), quants.view(np.uint8)], axis=1).reshape(-1)
    return RawTensor(name, QuantType.Q8_0, (rows, columns), data)


def _balance(rng: np.random.Generator, interleaved: bool) -> npt.NDArray[np.float64]:
    """Powers of two, alike for the channels that turn together."""
    pairs = 2.0 ** rng.integers(-2, 3, (KV_HEADS, HEAD_DIM // 2))
    return (np.repeat(pairs, 2, axis=1) if interleaved else np.tile(pairs, 2)).ravel()


class TinyLayer:
    """One layer with embedding and head, packed for one backend; equal seeds give equal weights."""

    def __init__(
        self,
        backend: Backend,
        *,
        quantised: bool = True,
        interleaved: bool = False,
        window: int | None = None,
        kv_dtype: str = "f32",
    ) -> None:
        rng = np.random.default_rng(7)

        def matrix(rows: int, columns: int) -> object:
            values = rng.standard_normal((rows, columns)) / columns**0.5
            return backend.pack(raw_q8_0("w", values) if quantised else raw_f32("w", values))

        def vector(length: int, centre: float) -> object:
            return backend.vector(raw_f32("v", centre + 0.1 * rng.standard_normal(length)))

        self.backend = backend
        self.spec = AttentionSpec(HEADS, KV_HEADS, HEAD_DIM, EPS, interleaved, window)
        self.rope = RopeProfile(RopeConfig(base=1e4, dim=HEAD_DIM, interleaved=interleaved))
        self.embedding = matrix(VOCAB, HIDDEN)
        self.attention = AttentionWeights(
            norm=vector(HIDDEN, 1.0),
            query=matrix(HEADS * HEAD_DIM, HIDDEN),
            key=matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            value=matrix(KV_HEADS * HEAD_DIM, HIDDEN),
            query_bias=vector(HEADS * HEAD_DIM, 0.0),
            key_bias=vector(KV_HEADS * HEAD_DIM, 0.0),
            value_bias=vector(KV_HEADS * HEAD_DIM, 0.0),
            key_balance=backend.vector(raw_f32("b", _balance(rng, interleaved))),
        )
        self.output = matrix(HIDDEN, HEADS * HEAD_DIM)
        self.mlp = MLPWeights(vector(HIDDEN, 1.0), matrix(INNER, HIDDEN), matrix(INNER, HIDDEN), matrix(HIDDEN, INNER))
        self.norm = vector(HIDDEN, 1.0)
        self.layout = KVLayout(1, KV_HEADS, HEAD_DIM, BLOCK, kv_dtype)
        self.cache = backend.allocate_kv(self.layout, 32)

    def forward(self, chunks: list[Chunk], adapted: Sequence[AdaptedRows] = ()) -> npt.NDArray[np.float32]:
        """Logits of every token of ``chunks``: [T, VOCAB]."""
        step = self.backend.prepare(make_batch(chunks, self.rope))
        return self.backend.to_host(self.compute(step, self.cache, adapted))

    def compute(self, step: Step, cache: KVCache, adapted: Sequence[AdaptedRows] = ()) -> Tensor:
        """Logits of a step, on the device."""
        backend, spec = self.backend, self.spec
        hidden = backend.embed(self.embedding, step)
        query = backend.norm_qkv_rope_store(hidden, self.attention, spec, step, cache, 0, adapted)
        attended = backend.paged_attention(query, spec, step, cache, 0)
        hidden = backend.project_add(hidden, attended, self.output, adapted)
        hidden = backend.gated_mlp_add(hidden, self.mlp, EPS, adapted)
        return backend.logits(hidden, self.norm, EPS, self.embedding, step)
