"""Every backend does the same: one layer forward, in one batch or many, on whole prompts or chunks."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend, available_isas
from sevenb.backend.protocol import Backend, SampleControl
from sevenb.backend.reference import ReferenceBackend
from tests.backend.tiny_model import VOCAB, Chunk, TinyLayer
from tests.torch_or_skip import tensor_of, torch_backend

NATIVE: dict[str, Callable[[], Backend]] = {
    f"native-{isa}": partial(NativeBackend, threads=2, isa=isa) for isa in available_isas()
}
FAST = NATIVE | {"torch": partial(torch_backend, "cpu")}
BACKENDS = FAST | {"reference": ReferenceBackend}
KV_DTYPES = {name: ["f32", "f16", "k16v8", "int8"] for name in BACKENDS} | {
    "torch": ["f32", "f16", "bf16", "int8", "fp8"]
}
EVERY_CACHE = pytest.mark.parametrize(
    ("backend", "kv_dtype"), [(name, dtype) for name in BACKENDS for dtype in KV_DTYPES[name]], indirect=["backend"]
)
ROUNDING = [(name, dtype) for name in FAST for dtype in ("k16v8", "int8") if dtype in KV_DTYPES[name]]
PROMPT = [int(t) for t in np.random.default_rng(3).integers(0, VOCAB, 45)]
BLOCKS = [9, 2, 30, 4, 17, 5]
OTHER = [int(t) for t in np.random.default_rng(4).integers(0, VOCAB, 20)]
OTHER_BLOCKS = [1, 0, 31]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]()


@pytest.fixture(params=FAST)
def fast(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]()


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("window", [None, 13])
def test_float_weights_give_the_reference_logits(fast: Backend, interleaved: bool, window: int | None) -> None:
    options = {"quantised": False, "interleaved": interleaved, "window": window}
    expected = TinyLayer(ReferenceBackend(), **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(fast, **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    np.testing.assert_allclose(actual, expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize(("fast", "kv_dtype"), ROUNDING, indirect=["fast"])
def test_a_cache_of_integers_rounds_as_the_reference_does(fast: Backend, kv_dtype: str) -> None:
    options = {"quantised": False, "kv_dtype": kv_dtype}
    exact = TinyLayer(ReferenceBackend(), quantised=False).forward([Chunk(PROMPT, 0, BLOCKS)])
    expected = TinyLayer(ReferenceBackend(), **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(fast, **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    assert np.abs(actual - expected).max() < 0.2 * np.abs(expected - exact).max()


def test_quantised_weights_stay_close_to_the_reference(fast: Backend) -> None:
    expected = TinyLayer(ReferenceBackend()).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(fast).forward([Chunk(PROMPT, 0, BLOCKS)])
    error = np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2))
    assert 0 < error < 0.03  # int8 activations round by about half a per cent, six times over


@EVERY_CACHE
def test_a_prompt_in_chunks_gives_the_logits_of_the_whole(backend: Backend, kv_dtype: str) -> None:
    whole = TinyLayer(backend, kv_dtype=kv_dtype).forward([Chunk(PROMPT, 0, BLOCKS)])
    chunked = TinyLayer(backend, kv_dtype=kv_dtype)
    parts = [chunked.forward([Chunk(PROMPT[a:b], a, BLOCKS)]) for a, b in [(0, 1), (1, 14), (14, 16), (16, 45)]]
    _assert_same(backend, np.concatenate(parts), whole, kv_dtype)


def test_neighbours_in_the_batch_change_nothing(backend: Backend) -> None:
    alone = TinyLayer(backend).forward([Chunk(PROMPT, 0, BLOCKS)])
    layer = TinyLayer(backend)
    layer.forward([Chunk(OTHER[:-1], 0, OTHER_BLOCKS), Chunk(PROMPT[:-1], 0, BLOCKS)])
    together = layer.forward([Chunk(OTHER[-1:], 19, OTHER_BLOCKS), Chunk(PROMPT[-1:], 44, BLOCKS)])
    _assert_same(backend, together[1], alone[-1])


@pytest.mark.parametrize(
    ("backend", "kv_dtype"),
    [(name, dtype) for name in ("torch", "reference") for dtype in KV_DTYPES[name]],
    indirect=["backend"],
)
def test_what_others_left_in_a_block_changes_nothing(backend: Backend, kv_dtype: str) -> None:
    def last_tokens(contents: bytes) -> np.ndarray:
        layer = TinyLayer(backend, kv_dtype=kv_dtype)
        for block in range(32):
            backend.write_block(layer.cache, block, contents * backend.kv_block_bytes(layer.layout))
        layer.forward([Chunk(PROMPT[:-1], 0, BLOCKS), Chunk(OTHER[:-1], 0, OTHER_BLOCKS)])
        return layer.forward([Chunk(PROMPT[-1:], 44, BLOCKS), Chunk(OTHER[-1:], 19, OTHER_BLOCKS)])

    np.testing.assert_array_equal(last_tokens(b"\xff"), last_tokens(b"\0"))  # all ones are no number


def test_threads_change_nothing() -> None:
    one = TinyLayer(NativeBackend(threads=1)).forward([Chunk(PROMPT, 0, BLOCKS)])
    three = TinyLayer(NativeBackend(threads=3)).forward([Chunk(PROMPT, 0, BLOCKS)])
    np.testing.assert_array_equal(one, three)


def test_instruction_sets_agree_bit_for_bit() -> None:
    results = [TinyLayer(make()).forward([Chunk(PROMPT, 0, BLOCKS)]) for make in NATIVE.values()]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@EVERY_CACHE
def test_copied_blocks_carry_the_history(backend: Backend, kv_dtype: str) -> None:
    layer = TinyLayer(backend, kv_dtype=kv_dtype)
    layer.forward([Chunk(PROMPT[:20], 0, BLOCKS[:3])])
    copies = [20, 21, 22]
    backend.copy_blocks(layer.cache, list(zip(BLOCKS[:3], copies, strict=True)))
    original = layer.forward([Chunk(PROMPT[20:21], 20, BLOCKS[:3])])
    np.testing.assert_array_equal(layer.forward([Chunk(PROMPT[20:21], 20, copies)]), original)


@EVERY_CACHE
def test_a_block_that_was_read_can_be_written_back_anywhere(backend: Backend, kv_dtype: str) -> None:
    layer, other = TinyLayer(backend, kv_dtype=kv_dtype), TinyLayer(backend, kv_dtype=kv_dtype)
    layer.forward([Chunk(PROMPT[:20], 0, BLOCKS[:3])])
    copies = [20, 21, 22]
    for source, target in zip(BLOCKS[:3], copies, strict=True):
        contents = backend.read_block(layer.cache, source)
        assert len(contents) == backend.kv_block_bytes(layer.layout)
        backend.write_block(other.cache, target, contents)
        assert backend.read_block(other.cache, target) == contents
    original = layer.forward([Chunk(PROMPT[20:21], 20, BLOCKS[:3])])
    np.testing.assert_array_equal(other.forward([Chunk(PROMPT[20:21], 20, copies)]), original)


def test_a_block_of_another_size_is_refused(backend: Backend) -> None:
    layer = TinyLayer(backend)
    contents = backend.read_block(layer.cache, 3)
    for wrong in (b"", contents[:-1], contents * 2):
        with pytest.raises(ValueError, match="bytes, not"):
            backend.write_block(layer.cache, 3, wrong)


def test_every_backend_chooses_the_same_tokens(fast: Backend) -> None:
    logits = TinyLayer(ReferenceBackend()).forward([Chunk(PROMPT[:6], 0, BLOCKS)])
    controls = [
        SampleControl(temperature=0.0),
        SampleControl(temperature=0.8, top_k=20, top_p=0.9, uniform=0.7, logprobs=3),
        SampleControl(temperature=1.3, min_p=0.05, uniform=0.99),
        SampleControl(temperature=0.0, repetition_penalty=1.8, prompt_tokens=np.array([3, 9], np.int32)),
        SampleControl(temperature=0.0, frequency_penalty=1.5, output_counts={int(np.argmax(logits[4])): 2}),
        SampleControl(temperature=0.0, logit_bias={11: 100.0}, logprobs=1),
    ]
    expected = ReferenceBackend().sample(logits, controls)
    actual = fast.sample(tensor_of(fast, logits), controls)
    assert [s.token_id for s in actual] == [s.token_id for s in expected]
    for mine, theirs in zip(actual, expected, strict=True):
        assert (mine.logprob is None) == (theirs.logprob is None)
        assert [i for i, _ in mine.top_logprobs] == [i for i, _ in theirs.top_logprobs]
        if theirs.logprob is not None:
            assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-4)


def _assert_same(backend: Backend, actual: np.ndarray, expected: np.ndarray, kv_dtype: str = "f32") -> None:
    """Exact on the native backend, which promises it; others' products may differ in the last bits.

    What differs in the last bit may be rounded to the next number that a cache has.
    """
    if backend.name == "native":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, atol=2e-5 if kv_dtype == "f32" else 2e-3)
