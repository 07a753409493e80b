"""Steps, caches and attention weights of odd shapes, for a kernel and the plain op it must equal."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from sevenb.backend.protocol import AttentionSpec, AttentionWeights, Batch, KVLayout
from sevenb.backend.torch.kv import TorchKVCache, allocate_kv
from sevenb.backend.torch.step import TorchStep, step_on

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


@dataclass(frozen=True)
class Shape:
    """Heads, and how positions are kept."""

    heads: int = 6
    kv_heads: int = 2
    head_dim: int = 32
    block_size: int = 32
    window: int | None = None
    interleaved: bool = False

    @property
    def spec(self) -> AttentionSpec:
        """For the ops."""
        return AttentionSpec(self.heads, self.kv_heads, self.head_dim, 1e-6, self.interleaved, self.window)


def step_of(shape: Shape, lengths: list[tuple[int, int]], rotary_dim: int) -> TorchStep:
    """Sequences of (tokens now, context after them), their blocks in no order."""
    random = np.random.default_rng(3)
    widest = max(-(-context // shape.block_size) for _, context in lengths)
    tables = random.permutation(np.arange(1, 1 + widest * len(lengths))).reshape(len(lengths), widest)
    positions = np.concatenate([np.arange(context - queries, context) for queries, context in lengths])
    angles = positions[:, None] / 100.0 ** (np.arange(rotary_dim // 2) / (rotary_dim // 2))
    starts = np.cumsum([0, *(queries for queries, _ in lengths)])
    batch = Batch(
        token_ids=np.zeros(len(positions), np.int32),
        positions=positions.astype(np.int32),
        query_starts=starts.astype(np.int32),
        context_lengths=np.array([context for _, context in lengths], np.int32),
        block_tables=tables.astype(np.int32),
        logit_rows=np.zeros(0, np.int32),
        rope_cos=np.cos(angles).astype(np.float32),
        rope_sin=np.sin(angles).astype(np.float32),
    )
    return step_on(batch, DEVICE)


def random_cache(shape: Shape, step: TorchStep, dtype: str) -> TorchKVCache:
    """Two layers full of numbers, also where no sequence has written: those must not be seen."""
    blocks = 2 + int(step.block_tables.max())
    cache = allocate_kv(KVLayout(2, shape.kv_heads, shape.head_dim, shape.block_size, dtype), blocks, DEVICE)
    torch.manual_seed(4)
    for part in cache.parts():
        if part.dtype == torch.int8:
            part.copy_(torch.randint(-127, 128, part.shape))
        elif part.dtype == torch.float32 and cache.rounded:
            part.copy_(torch.rand(part.shape) / cache.largest)
        else:
            part.copy_((torch.randn(part.shape) * (100 if cache.rounded else 1)).to(part.dtype))
    return cache


def copy_of(cache: TorchKVCache) -> TorchKVCache:
    """Another with the same contents."""
    names = ("keys", "values", "key_units", "value_units", "centre_codes", "centre_units")
    parts = {name: getattr(cache, name) for name in names}
    return replace(cache, **{name: part.clone() for name, part in parts.items() if part is not None})


def attention_weights(shape: Shape, *, norms: bool, balance: bool, bias: bool) -> AttentionWeights:
    """Only what is used between projections and attention."""

    def vector(length: int, wanted: bool) -> torch.Tensor | None:
        return (torch.rand(length) + 0.5).to(DEVICE) if wanted else None

    size = shape.kv_heads * shape.head_dim
    return AttentionWeights(
        norm=None,
        query=None,
        key=None,
        value=None,
        key_bias=vector(size, bias),
        key_balance=vector(size, balance),
        query_norm=vector(shape.head_dim, norms),
        key_norm=vector(shape.head_dim, norms),
    )
