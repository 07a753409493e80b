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

ISAS: dict[str, Callable[[], Backend]] = {isa: partial(NativeBackend, 2, isa) for isa in available_isas()}
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


@pytest.fixture(params=ISAS)
def native(request: pytest.FixtureRequest) -> Backend:
    return ISAS[request.param]()


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


@pytest.mark.parametrize("part", [*SHAPES, "all"])
def test_each_projection_is_adapted_as_in_the_reference(native: Backend, part: str) -> None:
    parts = [] if part == "all" else [part]
    reference = TinyLayer(ReferenceBackend(), quantised=False)
    expected = adapted(reference, PROMPT, *parts)
    assert np.abs(expected - reference.forward([PROMPT])).max() > 0.01
    actual = adapted(TinyLayer(native, quantised=False), PROMPT, *parts)
    np.testing.assert_allclose(actual, expected, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("parts", [(), ("query", "value"), ("down",)], ids=["all", "query and value", "down"])
def test_a_batch_of_base_and_two_adapters_gives_each_the_same_as_alone(native: Backend, parts: tuple[str, ...]) -> None:
    layer = TinyLayer(native)
    base, one, two = (
        layer.forward([PROMPT]),
        adapted(layer, OTHER, *parts, seed=1),
        adapted(layer, THIRD, *parts, seed=2),
    )
    first, second, end = len(OTHER.token_ids), len(OTHER.token_ids) + len(PROMPT.token_ids), 62
    together = layer.forward(
        [OTHER, PROMPT, THIRD],
        [
            AdaptedRows(0, first, adapter(native, *parts, seed=1)),
            AdaptedRows(second, end, adapter(native, *parts, seed=2)),
        ],
    )
    np.testing.assert_array_equal(together[:first], one)
    np.testing.assert_array_equal(together[first:second], base)
    np.testing.assert_array_equal(together[second:], two)


def test_an_adapted_prompt_in_chunks_gives_the_logits_of_the_whole(native: Backend) -> None:
    whole = adapted(TinyLayer(native), PROMPT)
    layer, parts = TinyLayer(native), []
    for start, end in [(0, 1), (1, 14), (14, 37)]:
        parts.append(adapted(layer, Chunk(PROMPT.token_ids[start:end], start, PROMPT.blocks)))
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_threads_and_instruction_sets_change_nothing() -> None:
    expected = adapted(TinyLayer(NativeBackend(threads=1)), PROMPT)
    np.testing.assert_array_equal(adapted(TinyLayer(NativeBackend(threads=3)), PROMPT), expected)
    for make in ISAS.values():
        np.testing.assert_array_equal(adapted(TinyLayer(make()), PROMPT), expected)


def test_matrices_that_do_not_fit_are_refused(native: Backend) -> None:
    layer = TinyLayer(native)
    narrow = LowRank(
        native.pack(raw_f32("a", np.ones((32, 64)))), native.pack(raw_f32("b", np.ones((HIDDEN, 32)))), 1.0
    )
    for wrong in (LayerAdapter(query=narrow), LayerAdapter(up=narrow), LayerAdapter(output=narrow)):
        with pytest.raises(ValueError, match=r"columns|shape"):
            layer.forward([THIRD], [AdaptedRows(0, 5, wrong)])
