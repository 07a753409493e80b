"""Recorded decode steps give what steps that are launched one by one give, whatever they are padded to.

Where there is no card, torch's tracer records: like a CUDA graph it keeps nothing but the operations on tensors, all
that the host knew or decided stays as it was, and whoever asks a tensor for its numbers fails.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from sevenb.backend.protocol import AdapterRun, Batch
from tests.backend.tiny_model import VOCAB, Chunk, TinyLayer, make_batch
from tests.torch_or_skip import torch

from sevenb.backend.torch import TorchBackend, graphs  # isort: skip
from sevenb.backend.torch.graphs import Recording, shapes  # isort: skip
from torch.fx.experimental.proxy_tensor import make_fx  # isort: skip

BLOCKS = {"long": [9, 2, 30, 4, 17, 5], "short": [1, 0], "third": [31, 8, 12]}


class TraceRecorder:
    """Records what `compute` does to tensors; counts recordings and replays."""

    def __init__(self) -> None:
        self.recorded = 0
        self.replayed = 0

    def record(self, compute: Callable[[], torch.Tensor]) -> Recording:
        self.recorded += 1
        traced = make_fx(lambda: compute())()

        def replay() -> torch.Tensor:
            self.replayed += 1
            return traced()

        return Recording(replay, 1000)


@pytest.fixture
def recorder() -> TraceRecorder:
    return TraceRecorder()


@pytest.fixture(autouse=True)
def few_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_SIZES", (1, 2, 4))
    monkeypatch.setattr(graphs, "_CONTEXTS", (24, 64))


def decoded(layer: TinyLayer, chunks: list[Chunk]) -> np.ndarray:
    """Logits of a step by way of `run`."""
    backend, batch = layer.backend, make_batch(chunks, layer.rope)
    return backend.to_host(backend.run(batch, layer.cache, layer.compute))


def prompts(layer: TinyLayer) -> None:
    rng = np.random.default_rng(1)
    for name, length in (("long", 40), ("short", 9), ("third", 17)):
        tokens = [int(token) for token in rng.integers(0, VOCAB, length)]
        layer.forward([Chunk(tokens, 0, BLOCKS[name])])


STEPS = [
    [Chunk([5], 40, BLOCKS["long"])],
    [Chunk([6], 41, BLOCKS["long"]), Chunk([7], 9, BLOCKS["short"])],
    [Chunk([8], 42, BLOCKS["long"]), Chunk([9], 10, BLOCKS["short"]), Chunk([3], 17, BLOCKS["third"])],
    [Chunk([1], 11, BLOCKS["short"]), Chunk([2], 18, BLOCKS["third"])],
    [Chunk([11], 19, BLOCKS["third"]), Chunk([300], 12, BLOCKS["short"]), Chunk([4], 43, BLOCKS["long"])],
]


@pytest.mark.parametrize("kv_dtype", ["f32", "int8"])
def test_padded_recordings_give_the_logits_of_the_steps_alone(recorder: TraceRecorder, kv_dtype: str) -> None:
    plain = TinyLayer(TorchBackend("cpu"), kv_dtype=kv_dtype)
    recorded = TinyLayer(TorchBackend("cpu", recorder=recorder), kv_dtype=kv_dtype)
    prompts(plain)
    prompts(recorded)
    for chunks in STEPS:
        np.testing.assert_allclose(decoded(recorded, chunks), decoded(plain, chunks), atol=2e-5)
    assert recorder.recorded == 4  # 1, 2 and 4 sequences of up to 64, 2 of up to 24
    assert recorder.replayed == len(STEPS)
    # Nothing but the padding block was touched by padding.
    for block in range(32):
        mine, theirs = (layer.backend.read_block(layer.cache, block) for layer in (recorded, plain))
        if kv_dtype == "f32":
            np.testing.assert_allclose(np.frombuffer(mine, np.float32), np.frombuffer(theirs, np.float32), atol=2e-5)
        else:
            assert sum(a != b for a, b in zip(mine, theirs, strict=True)) < 30  # last bits of units


def test_later_replays_leave_the_logits_that_were_given_alone(recorder: TraceRecorder) -> None:
    layer = TinyLayer(TorchBackend("cpu", recorder=recorder))
    prompts(layer)
    batch = make_batch(STEPS[0], layer.rope)
    first = layer.backend.run(batch, layer.cache, layer.compute)
    kept = first.clone()
    layer.backend.run(make_batch([Chunk([77], 41, BLOCKS["long"])], layer.rope), layer.cache, layer.compute)
    torch.testing.assert_close(first, kept, rtol=0, atol=0)


@pytest.mark.parametrize(
    "chunks",
    [
        [Chunk([1, 2], 0, BLOCKS["long"])],
        [Chunk([1], 0, BLOCKS["long"]), Chunk([1, 2], 0, BLOCKS["short"])],
        [Chunk([1], 64, [*range(9)])],
        [Chunk([1], 0, [block]) for block in range(5)],
    ],
    ids=["prompt", "prompt beside a token", "longer than all recordings", "more sequences than all recordings"],
)
def test_other_steps_are_launched_one_by_one(recorder: TraceRecorder, chunks: list[Chunk]) -> None:
    layer = TinyLayer(TorchBackend("cpu", recorder=recorder))
    assert decoded(layer, chunks).shape == (sum(len(chunk.token_ids) for chunk in chunks), VOCAB)
    assert recorder.recorded == 0


def test_a_step_of_which_other_rows_or_adapters_are_wanted_is_not_replayed(recorder: TraceRecorder) -> None:
    layer = TinyLayer(TorchBackend("cpu", recorder=recorder))
    batch = make_batch(STEPS[1], layer.rope)
    fields = vars(batch)
    for change in ({"logit_rows": np.array([1], np.int32)}, {"adapters": (AdapterRun(0, 1, "x"),)}):
        layer.backend.run(Batch(**{**fields, **change}), layer.cache, layer.compute)
    assert recorder.recorded == 0


class OnceRecorder:
    """Keeps the result alone, not what computes it: so a card's graph knows the addresses of a cache, not the cache."""

    def record(self, compute: Callable[[], torch.Tensor]) -> Recording:
        output = compute()
        return Recording(lambda: output, 1000)


def test_a_cache_that_is_dropped_takes_its_recordings_along() -> None:
    backend = TorchBackend("cpu", recorder=OnceRecorder())
    layer = TinyLayer(backend)
    decoded(layer, STEPS[0])
    decoded(layer, STEPS[1])
    assert backend.graph_bytes() == 2000
    trial = backend.allocate_kv(layer.layout, 32)
    backend.run(make_batch(STEPS[0], layer.rope), trial, layer.compute)
    assert backend.graph_bytes() == 3000
    del trial
    gc.collect()
    assert backend.graph_bytes() == 2000


def test_an_engine_records_the_sizes_that_its_batches_are_padded_to(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shapes(3, 20) == [(4, 24), (2, 24), (1, 24)]
    assert shapes(1, 64) == [(1, 64), (1, 24)]
    monkeypatch.undo()
    assert shapes(8, 131072)[0] == (8, 262144)
    assert max(size for size, _ in shapes(33, 4096)) == 64
    assert TorchBackend("cpu").graph_shapes(8, 4096) == []  # the processor records nothing


def test_a_recording_is_as_large_as_what_it_keeps_whatever_earlier_steps_left_unused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept, unused, recording = 40, 60, False

    def give_back() -> None:
        nonlocal unused
        unused = 0

    @contextmanager
    def record(*_: object, **__: object) -> Iterator[None]:
        nonlocal recording
        give_back()
        recording = True
        yield

    def compute() -> torch.Tensor:
        nonlocal kept, unused
        kept, unused = (kept + 5, unused) if recording else (kept, unused + 7)
        return torch.ones(1)

    stream = SimpleNamespace(wait_stream=lambda _: None)
    fakes = {
        "graph_pool_handle": lambda: (0, 0),
        "memory_reserved": lambda _: kept + unused,
        "Stream": lambda _: stream,
        "current_stream": lambda _: stream,
        "stream": lambda _: nullcontext(),
        "CUDAGraph": lambda: SimpleNamespace(replay=lambda: None),
        "graph": record,
        "empty_cache": give_back,
    }
    for name, fake in fakes.items():
        monkeypatch.setattr(torch.cuda, name, fake)
    made = graphs.CudaRecorder(torch.device("cuda", 0)).record(compute)
    assert made.bytes == 5
    assert made.replay().item() == 1
