"""Adapters add to the projections of their own rows, on every backend alike, and leave all other rows alone."""

from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.native import NativeBackend, available_isas
from sevenb.backend.protocol import AdaptedRows, Backend, LayerAdapter, LowRank
from sevenb.backend.reference import ReferenceBackend
from tests.backend.tiny_model import HEAD_DIM, HEADS, HIDDEN, INNER, KV_HEADS, VOCAB, Chunk, TinyLayer, raw_f32
from tests.torch_or_skip import torch_backend

ISAS: dict[str, Callable[[], Backend]] = {isa: partial(NativeBackend, 2, isa) for isa in available_isas()}
FAST = ISAS | {"torch": partial(torch_backend, "cpu")}
SHAPES = {
    "query": (HEADS * HEAD_DIM, HIDDEN),
    "key": (KV_HEADS * HEAD_DIM, HIDDEN),
    "value": (KV_HEADS * HEAD_DIM, HIDDEN),
    "output": (HIDDEN, HEADS * HEAD_DIM),
    "gate": (INNER, HIDDEN),
    "up": (INNER, HIDDEN),
    "down": (HIDDEN, INNER),
}
RNG = np.random.default_rng(11)
PROMPT = Chunk([int(token) for token in RNG.integers(0, VOCAB, 37)], 0, [9, 2, 30, 4, 17])
OTHER = Chunk([int(token) for token in RNG.integers(0, VOCAB, 20)], 0, [1, 0, 31])
THIRD = Chunk([int(token) for token in RNG.integers(0, VOCAB, 5)], 0, [5])


@pytest.fixture(params=FAST)
def fast(request: pytest.FixtureRequest) -> Backend:
    return FAST[request.param]()


def adapter(backend: Backend, *parts: str, seed: int = 1, rank: int = 32) -> LayerAdapter:
    """Random pairs for some projections, all unless told."""

    def low_rank(part: str) -> LowRank:
        rng = np.random.default_rng([seed, *part.encode()])
        rows, columns = SHAPES[part]
        shrink = backend.pack(raw_f32("a", rng.normal(0, columns**-0.5, (rank, columns))))
        expand = backend.pack(raw_f32("b", rng.normal(0, 0.3, (rows, rank))))
        return LowRank(shrink, expand, 0.25)

    return LayerAdapter(**{part: low_rank(part) for part in parts or SHAPES})


def adapted(layer: TinyLayer, chunk: Chunk, *parts: str, seed: int = 1) -> npt.NDArray[np.float32]:
    """Logits of one chunk with an adapter, alone in its batch."""
    rows = AdaptedRows(0, len(chunk.token_ids), adapter(layer.backend, *parts, seed=seed))
    return layer.forward([chunk], [rows])


def assert_same(backend: Backend, actual: npt.NDArray[np.float32], expected: npt.NDArray[np.float32]) -> None:
    """Exact on the native backend, which promises it; torch's products may differ in the last bits."""
    if backend.name == "native":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, atol=2e-5)


@pytest.mark.parametrize("part", [*SHAPES, "all"])
def test_each_projection_is_adapted_as_in_the_reference(fast: Backend, part: str) -> None:
    parts = [] if part == "all" else [part]
    reference = TinyLayer(ReferenceBackend(), quantised=False)
    expected = adapted(reference, PROMPT, *parts)
    assert np.abs(expected - reference.forward([PROMPT])).max() > 0.01
    actual = adapted(TinyLayer(fast, quantised=False), PROMPT, *parts)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("parts", [(), ("query", "value"), ("down",)], ids=["all", "query and value", "down"])
def test_a_batch_of_base_and_two_adapters_gives_each_the_same_as_alone(fast: Backend, parts: tuple[str, ...]) -> None:
    layer = TinyLayer(fast)
    base, one, two = (
        layer.forward([PROMPT]),
        adapted(layer, OTHER, *parts, seed=1),
        adapted(layer, THIRD, *parts, seed=2),
    )
    first, second, end = len(OTHER.token_ids), len(OTHER.token_ids) + len(PROMPT.token_ids), 62
    together = layer.forward(
        [OTHER, PROMPT, THIRD],
        [
            AdaptedRows(0, first, adapter(fast, *parts, seed=1)),
            AdaptedRows(second, end, adapter(fast, *parts, seed=2)),
        ],
    )
    assert_same(fast, together[:first], one)
    assert_same(fast, together[first:second], base)
    assert_same(fast, together[second:], two)


def test_an_adapted_prompt_in_chunks_gives_the_logits_of_the_whole(fast: Backend) -> None:
    whole = adapted(TinyLayer(fast), PROMPT)
    layer, parts = TinyLayer(fast), []
    for start, end in [(0, 1), (1, 14), (14, 37)]:
        parts.append(adapted(layer, Chunk(PROMPT.token_ids[start:end], start, PROMPT.blocks)))
    assert_same(fast, np.concatenate(parts), whole)


def test_threads_and_instruction_sets_change_nothing() -> None:
    expected = adapted(TinyLayer(NativeBackend(threads=1)), PROMPT)
    np.testing.assert_array_equal(adapted(TinyLayer(NativeBackend(threads=3)), PROMPT), expected)
    for make in ISAS.values():
        np.testing.assert_array_equal(adapted(TinyLayer(make()), PROMPT), expected)


def test_matrices_that_do_not_fit_are_refused(fast: Backend) -> None:
    layer = TinyLayer(fast)
    narrow = LowRank(fast.pack(raw_f32("a", np.ones((32, 64)))), fast.pack(raw_f32("b", np.ones((HIDDEN, 32)))), 1.0)
    for wrong in (LayerAdapter(query=narrow), LayerAdapter(up=narrow), LayerAdapter(output=narrow)):
        with pytest.raises(ValueError, match=r"columns|shape"):
            layer.forward([THIRD], [AdaptedRows(0, 5, wrong)])
