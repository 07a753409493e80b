"""Speed of the attention and sampling kernels: decode and prefill at depth, and one choice over a whole vocabulary.

    python -m benchmarks.attention [--threads N] [--isa NAME] [--depths 512,4096,8192]

Each figure adds up the best run of every layer, so a busy neighbour costs time and not truth. Layers are used in turn,
which keeps a long context out of the caches as a whole model does.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sevenb.backend.native import _kernels
from sevenb.backend.native.kv import NativeKVCache, allocate_kv, paged_attention, paged_batch, rope_store
from sevenb.backend.native.sampling import sample
from sevenb.backend.protocol import AttentionSpec, Batch, KVLayout, SampleControl

VOCABULARY = 151_936
CHUNK = 512


@dataclass(frozen=True)
class Shape:
    """What of a model's shape attention sees."""

    name: str
    layers: int
    heads: int
    kv_heads: int
    head_dim: int

    @property
    def spec(self) -> AttentionSpec:
        return AttentionSpec(self.heads, self.kv_heads, self.head_dim, norm_eps=1e-6, rope_interleaved=False)


SHAPES = [Shape("0.5B", 24, 14, 2, 64), Shape("1.5B", 28, 12, 2, 128)]
CONTROLS = {
    "greedy": SampleControl(temperature=0.0),
    "greedy, 5 logprobs": SampleControl(temperature=0.0, logprobs=5),
    "top-k 20, top-p 0.8": SampleControl(temperature=0.7, top_k=20, top_p=0.8, uniform=0.5),
    "top-p 0.95": SampleControl(top_p=0.95, uniform=0.5),
    "temperature only": SampleControl(uniform=0.5),
}


def make_batch(first: int, last: int, table: np.ndarray, shape: Shape) -> Batch:
    """Positions [first, last) of the one sequence."""
    angles = np.zeros((last - first, shape.head_dim // 2), np.float32)
    return Batch(
        token_ids=np.zeros(last - first, np.int32),
        positions=np.arange(first, last, dtype=np.int32),
        query_starts=np.array([0, last - first], np.int32),
        context_lengths=np.array([last], np.int32),
        block_tables=table,
        logit_rows=np.zeros(0, np.int32),
        rope_cos=angles + 1,
        rope_sin=angles,
    )


def filled_cache(pool: _kernels.ThreadPool, shape: Shape, depth: int, layers: int) -> tuple[NativeKVCache, np.ndarray]:
    """A cache of ``layers`` layers that holds ``depth`` random positions in scattered blocks, and their table."""
    rng = np.random.default_rng(0)
    layout = KVLayout(layers, shape.kv_heads, shape.head_dim)
    blocks = -(-depth // layout.block_size)
    cache = allocate_kv(layout, blocks)
    table = rng.permutation(blocks).astype(np.int32)[None]
    for first in range(0, depth, CHUNK):
        last = min(depth, first + CHUNK)
        batch = paged_batch(make_batch(first, last, table, shape))
        key, value = rng.standard_normal((2, last - first, shape.kv_heads * shape.head_dim), dtype=np.float32)
        query = np.zeros((last - first, shape.heads * shape.head_dim), np.float32)
        for layer in range(layers):
            rope_store(pool, query, key, value, None, shape.spec, batch, cache, layer)
    return cache, table


def attention_seconds(
    pool: _kernels.ThreadPool, isa: str, shape: Shape, depth: int, tokens: int, layers: int, repeats: int
) -> float:
    """Seconds that the last ``tokens`` of ``depth`` positions take over ``layers`` layers."""
    cache, table = filled_cache(pool, shape, depth, layers)
    batch = paged_batch(make_batch(depth - tokens, depth, table, shape))
    query = np.random.default_rng(1).standard_normal((tokens, shape.heads * shape.head_dim), dtype=np.float32)
    best = [float("inf")] * layers
    for _ in range(repeats):
        for layer in range(layers):
            best[layer] = min(
                best[layer],
                _seconds(lambda: paged_attention(pool, isa, query, shape.spec, batch, cache, layer)),  # noqa: B023
            )
    return sum(best)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--isa", default="auto")
    parser.add_argument("--depths", default="512,4096,8192")
    options = parser.parse_args()
    pool, isa = _kernels.ThreadPool(options.threads), _kernels.resolve_isa(options.isa)
    print(f"{isa}, {options.threads} threads")
    for shape in SHAPES:
        for depth in map(int, options.depths.split(",")):
            decode = attention_seconds(pool, isa, shape, depth, 1, shape.layers, repeats=20)
            read = 4 * shape.kv_heads * shape.head_dim * depth * shape.layers
            tokens = min(CHUNK, depth)
            prefill = attention_seconds(pool, isa, shape, depth, tokens, layers=1, repeats=5)
            pairs = tokens * (2 * depth - tokens + 1) // 2
            operations = 4 * shape.heads * shape.head_dim * pairs
            print(
                f"{shape.name} at {depth:5}: decode {decode * 1e3:6.2f} ms/token ({read / decode / 1e9:4.1f} GB/s),"
                f" prefill {tokens} {prefill * 1e3 * shape.layers:7.1f} ms ({operations / prefill / 1e9:5.1f} GFLOPS)"
            )
    logits = np.random.default_rng(2).standard_normal((1, VOCABULARY), dtype=np.float32) * 3
    for name, control in CONTROLS.items():
        seconds = min(_seconds(lambda: sample(pool, isa, logits, [control])) for _ in range(50))  # noqa: B023
        print(f"sample {name:20} {seconds * 1e6:6.0f} µs")


def _seconds(body: Callable[[], object]) -> float:
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
