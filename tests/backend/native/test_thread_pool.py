"""The thread pool does every chunk once, whoever calls it, however many threads share however few cores."""

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.quant_types import QuantType
from tests.backend.native.random_weights import random_tensor

CALLERS = 4
ROUNDS = 60


@pytest.mark.parametrize("threads", [1, 2, 16])
def test_callers_that_come_together_all_get_their_own_sums(threads: int) -> None:
    rng = np.random.default_rng(0)
    tensor = random_tensor(QuantType.Q8_0, 1024, 256, rng)
    alone, shared = NativeBackend(threads=1), NativeBackend(threads=threads)
    inputs = [rng.normal(size=(tokens, 256)).astype(np.float32) for tokens in (1, 3, 8, 40)]
    wanted = [alone.project_add(np.zeros((len(x), 1024), np.float32), x, alone.pack(tensor)) for x in inputs]
    weight = shared.pack(tensor)

    def call(caller: int) -> None:
        for turn in range(ROUNDS):
            index = (caller + turn) % len(inputs)
            hidden = np.zeros((len(inputs[index]), 1024), np.float32)
            np.testing.assert_array_equal(shared.project_add(hidden, inputs[index], weight), wanted[index])

    with ThreadPoolExecutor(CALLERS) as callers:
        list(callers.map(call, range(CALLERS)))


def affinity_of(task: int) -> set[int]:
    """The processors that a thread may use; none where it has just ended."""
    with suppress(ProcessLookupError):
        return os.sched_getaffinity(task)
    return set()


def test_threads_confined_to_one_core_finish_and_stay_confined() -> None:
    rng = np.random.default_rng(0)
    tensor = random_tensor(QuantType.Q8_0, 1024, 256, rng)
    inputs = rng.normal(size=(1, 256)).astype(np.float32)
    everywhere = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(everywhere)})
        backend = NativeBackend(threads=4)  # its threads inherit the one core
        weight = backend.pack(tensor)
        first = backend.project_add(np.zeros((1, 1024), np.float32), inputs, weight)
        for _ in range(ROUNDS):
            again = backend.project_add(np.zeros((1, 1024), np.float32), inputs, weight)
            np.testing.assert_array_equal(again, first)
        tasks = [int(task) for task in os.listdir("/proc/self/task")]
        assert sum(affinity_of(task) == {min(everywhere)} for task in tasks) >= 4
    finally:
        os.sched_setaffinity(0, everywhere)


def test_a_pool_that_was_never_used_or_is_idle_ends_at_once() -> None:
    for threads in (1, 2, 8):
        NativeBackend(threads=threads)
    backend = NativeBackend(threads=8)
    backend.pack(random_tensor(QuantType.Q8_0, 64, 64, np.random.default_rng(0)))
    del backend
