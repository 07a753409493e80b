"""Speed of the attention and sampling kernels: decode and prefill at depth, and one choice over a whole vocabulary.

    python -m benchmarks.attention [--shapes 0.5B,1.5B,7B] [--dtypes f16,int8] [--isas avx2,avx512] [--threads 1,2]
                                   [--decode 4096,16384,32768] [--sequences 1,8] [--prefill 0,8192,32768]

Decoding is told in gigabytes of keys and values a second, prefill (a chunk of 512 tokens after that many) in billions
of operations. Each figure adds up the best run of every layer, so a busy neighbour costs time and not truth. Layers are
used in turn, which keeps a long context out of the caches as a whole model does.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sevenb.backend.native import _kernels
from sevenb.backend.native.kv import (
    NativeKVCache,
    allocate_kv,
    kv_block_bytes,
    paged_attention,
    paged_batch,
    rope_store,
)
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


SHAPES = [Shape("0.5B", 24, 14, 2, 64), Shape("1.5B", 28, 12, 2, 128), Shape("7B", 28, 28, 4, 128)]
BEYOND_CACHES = 128 << 20  # bytes of keys and values that layers used in turn should have together
CONTROLS = {
    "greedy": SampleControl(temperature=0.0),
    "greedy, 5 logprobs": SampleControl(temperature=0.0, logprobs=5),
    "top-k 20, top-p 0.8": SampleControl(temperature=0.7, top_k=20, top_p=0.8, uniform=0.5),
    "top-p 0.95": SampleControl(top_p=0.95, uniform=0.5),
    "temperature only": SampleControl(uniform=0.5),
}


def make_batch(first: int, last: int, tables: np.ndarray, shape: Shape) -> Batch:
    """Positions [first, last) of one sequence a row of ``tables``."""
    sequences, tokens = len(tables), last - first
    angles = np.zeros((sequences * tokens, shape.head_dim // 2), np.float32)
    return Batch(
        token_ids=np.zeros(sequences * tokens, np.int32),
        positions=np.tile(np.arange(first, last, dtype=np.int32), sequences),
        query_starts=np.arange(sequences + 1, dtype=np.int32) * tokens,
        context_lengths=np.full(sequences, last, np.int32),
        block_tables=tables,
        logit_rows=np.zeros(0, np.int32),
        rope_cos=angles + 1,
        rope_sin=angles,
    )


@dataclass(frozen=True)
class Context:
    """Some layers of a cache in which sequences of equal depth lie in scattered blocks."""

    cache: NativeKVCache
    tables: np.ndarray  # [sequences, blocks]
    layers: int


def filled(pool: _kernels.ThreadPool, shape: Shape, dtype: str, depth: int, sequences: int, layers: int) -> Context:
    """``depth`` random positions for each of ``sequences``, in ``layers`` layers."""
    rng = np.random.default_rng(0)
    layout = KVLayout(layers, shape.kv_heads, shape.head_dim, dtype=dtype)
    blocks = -(-depth // layout.block_size)
    cache = allocate_kv(layout, sequences * blocks)
    tables = rng.permutation(sequences * blocks).astype(np.int32).reshape(sequences, blocks)
    for table in tables:
        for first in range(0, depth, CHUNK):
            last = min(depth, first + CHUNK)
            batch = paged_batch(make_batch(first, last, table[None], shape))
            key, value = rng.standard_normal((2, last - first, shape.kv_heads * shape.head_dim), dtype=np.float32)
            query = np.zeros((last - first, shape.heads * shape.head_dim), np.float32)
            for layer in range(layers):
                rope_store(pool, query, key, value, None, shape.spec, batch, cache, layer)
    return Context(cache, tables, layers)


def attention_seconds(
    pool: _kernels.ThreadPool, isa: str, shape: Shape, context: Context, first: int, last: int, repeats: int
) -> float:
    """Seconds a layer that positions [first, last) of every sequence take."""
    batch = paged_batch(make_batch(first, last, context.tables, shape))
    tokens = len(context.tables) * (last - first)
    query = np.random.default_rng(1).standard_normal((tokens, shape.heads * shape.head_dim), dtype=np.float32)
    best = [float("inf")] * context.layers
    for _ in range(repeats):
        for layer in range(context.layers):
            best[layer] = min(
                best[layer],
                _seconds(lambda: paged_attention(pool, isa, query, shape.spec, batch, context.cache, layer)),  # noqa: B023
            )
    return sum(best) / context.layers


def decode(
    pools: list[_kernels.ThreadPool], isas: list[str], shape: Shape, dtype: str, depth: int, sequences: int
) -> None:
    """Print the speed of one more token for each of some sequences."""
    position_bytes = kv_block_bytes(KVLayout(1, shape.kv_heads, shape.head_dim, dtype=dtype)) / KVLayout.block_size
    size = position_bytes * depth * sequences
    layers = min(shape.layers, -(-BEYOND_CACHES // int(size)))
    context = filled(pools[-1], shape, dtype, depth, sequences, layers)
    for isa, pool in itertools.product(isas, pools):
        seconds = attention_seconds(pool, isa, shape, context, depth - 1, depth, repeats=15)
        print(
            f"{shape.name:4} {dtype:4} {isa:8} {pool.size} threads, decode {sequences} at {depth:5}: "
            f"{seconds * shape.layers * 1e3:8.2f} ms {size / seconds / 1e9:6.1f} GB/s",
            flush=True,
        )


def prefill(pools: list[_kernels.ThreadPool], isas: list[str], shape: Shape, dtype: str, depth: int) -> None:
    """Print the speed of a chunk that comes after ``depth`` tokens."""
    context = filled(pools[-1], shape, dtype, depth + CHUNK, sequences=1, layers=1)
    operations = 4 * shape.heads * shape.head_dim * (CHUNK * depth + CHUNK * (CHUNK + 1) // 2)
    for isa, pool in itertools.product(isas, pools):
        seconds = attention_seconds(pool, isa, shape, context, depth, depth + CHUNK, repeats=3 if depth > CHUNK else 10)
        print(
            f"{shape.name:4} {dtype:4} {isa:8} {pool.size} threads, prefill {CHUNK} after {depth:5}: "
            f"{seconds * shape.layers * 1e3:8.0f} ms {operations / seconds / 1e9:6.1f} GOPS",
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shapes", default="0.5B,1.5B")
    parser.add_argument("--dtypes", default="f16,int8")
    parser.add_argument("--isas", default=_kernels.resolve_isa("auto"))
    parser.add_argument("--threads", default="2")
    parser.add_argument("--decode", default="4096,16384", metavar="DEPTHS")
    parser.add_argument("--sequences", default="1")
    parser.add_argument("--prefill", default="0,8192", metavar="DEPTHS")
    options = parser.parse_args()

    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",") if part]

    pools = [_kernels.ThreadPool(threads) for threads in numbers(options.threads)]
    isas = options.isas.split(",")
    names, dtypes = options.shapes.split(","), options.dtypes.split(",")
    for shape, dtype in itertools.product([shape for shape in SHAPES if shape.name in names], dtypes):
        for depth, sequences in itertools.product(numbers(options.decode), numbers(options.sequences)):
            decode(pools, isas, shape, dtype, depth, sequences)
        for depth in numbers(options.prefill):
            prefill(pools, isas, shape, dtype, depth)
    logits = np.random.default_rng(2).standard_normal((1, VOCABULARY), dtype=np.float32) * 3
    for name, control in CONTROLS.items():
        seconds = min(_seconds(lambda: sample(pools[-1], isas[-1], logits, [control])) for _ in range(50))  # noqa: B023
        print(f"sample {name:20} {seconds * 1e6:6.0f} µs")


def _seconds(body: Callable[[], object]) -> float:
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
