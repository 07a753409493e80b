"""The memory of packed matrices: shared by many, given back once all are gone, never while one is in use."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import psutil

from sevenb.backend.native import NativeBackend, _kernels
from sevenb.backend.quant_types import QuantType
from tests.backend.native.random_weights import random_tensor

BACKEND = NativeBackend(threads=2)


def values(weight: _kernels.PackedMatrix) -> bytes:
    """Every number of a matrix, exactly."""
    rows = np.empty((weight.rows, weight.columns), np.float32)
    _kernels.embed(BACKEND._workspace, weight, np.arange(weight.rows, dtype=np.int32), rows)
    return rows.tobytes()


def test_matrices_keep_their_values_while_others_come_and_go() -> None:
    rng = np.random.default_rng(0)
    tensors = [random_tensor(QuantType.Q8_0, rows, 256, rng) for rows in rng.integers(1, 3000, 60)]
    packed = [BACKEND.pack(tensor) for tensor in tensors]
    before = [values(weight) for weight in packed]
    kept = {index: packed[index] for index in range(0, len(packed), 7)}
    packed.clear()
    newcomers = [BACKEND.pack(tensor) for tensor in reversed(tensors)]
    assert all(values(weight) == before[index] for index, weight in kept.items())
    assert [values(weight) for weight in newcomers] == before[::-1]


def test_a_model_that_is_gone_leaves_its_memory() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as fresh:  # here, earlier tests left memory to be used again
        size, taken, left = fresh.submit(_taken_and_left).result()
    assert size <= taken + (8 << 20) <= size + (40 << 20)
    assert left < taken / 4


def _taken_and_left() -> tuple[int, int, int]:
    """Bytes of some weights, by how much they add to the process's memory, and by how much once they are gone."""
    tensor = random_tensor(QuantType.Q8_0, 4096, 2048, np.random.default_rng(1))
    process = psutil.Process()
    before = process.memory_info().rss
    weights = [BACKEND.pack(tensor) for _ in range(40)]
    taken = process.memory_info().rss - before
    weights.clear()
    return 40 * tensor.data.nbytes, taken, process.memory_info().rss - before
