"""Speed of the matrix kernels, one weight type and token count at a time: GB/s of weights and GOPS.

    python -m benchmarks.kernels [--threads N] [--isa NAME] [--types q5_0,q6_k] [--tokens 1,8,512]

Weights are random but valid; each figure is the best of many runs, so a busy neighbour costs time and not truth.
Weights of one row count lie in several copies, more than any cache holds, and are used in turn.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from sevenb.backend.native import NativeBackend
from sevenb.backend.quant_types import QuantType
from tests.model.gguf_writer import random_tensor

SHAPES = {  # rows, columns
    "0.5B gate": (4864, 896),
    "0.5B down": (896, 4864),
    "1.5B gate": (8960, 1536),
    "1.5B down": (1536, 8960),
}
CACHE_BYTES = 128 << 20


def bandwidth(threads: int) -> float:
    """Bytes a second that ``threads`` threads read together, the best of a few runs."""
    parts = [np.ones(32 << 20, np.float32) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as executor:
        for _ in range(8):
            start = time.perf_counter()
            list(executor.map(np.max, parts))
            best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - start))
    return best


def best_seconds(
    backend: NativeBackend, quant_type: QuantType, shape: tuple[int, int], tokens: int, precise: bool, seconds: float
) -> tuple[float, int]:
    """The shortest time of one product within ``seconds`` of trying, and the bytes of its weights."""
    rows, columns = shape
    tensor = random_tensor(np.random.default_rng(0), quant_type, shape)
    first = backend.pack(tensor, precise=precise)
    copies = max(1, -(-CACHE_BYTES // first.bytes)) if tokens < 16 else 2
    matrices = [first] + [backend.pack(tensor, precise=precise) for _ in range(copies - 1)]
    inputs = np.random.default_rng(1).standard_normal((tokens, columns), dtype=np.float32)
    hidden = np.zeros((tokens, rows), np.float32)
    best, deadline = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < deadline:
        for matrix in matrices:
            start = time.perf_counter()
            backend.project_add(hidden, inputs, matrix)
            best = min(best, time.perf_counter() - start)
    return best, first.bytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--isa", default="auto")
    parser.add_argument("--types", default="q4_0,q5_0,q8_0,q4_k,q5_k,q6_k,f16")
    parser.add_argument("--shapes", default="0.5B gate,0.5B down")
    parser.add_argument("--tokens", default="1,2,8,64,512")
    parser.add_argument("--precise", action="store_true", help="16-bit activations")
    parser.add_argument("--seconds", type=float, default=0.5, help="for each figure")
    options = parser.parse_args()
    backend = NativeBackend(options.threads, options.isa)
    print(f"{backend.describe()}, memory reads {bandwidth(backend._pool.size) / 1e9:.1f} GB/s")
    for shape_name in options.shapes.split(","):
        rows, columns = SHAPES[shape_name]
        for type_name in options.types.split(","):
            quant_type = QuantType[type_name.upper()]
            for tokens in map(int, options.tokens.split(",")):
                seconds, size = best_seconds(
                    backend, quant_type, (rows, columns), tokens, options.precise, options.seconds
                )
                operations = 2 * rows * columns * tokens
                print(
                    f"{shape_name}  {type_name:5} m={tokens:<4} {seconds * 1e6:9.1f} µs "
                    f"{size / seconds / 1e9:7.1f} GB/s {operations / seconds / 1e9:8.1f} GOPS",
                    flush=True,
                )


if __name__ == "__main__":
    main()
