"""Every backend does the same: one layer forward, in one batch or many, on whole prompts or chunks."""

from collections.abc import Callable

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend, available_isas
from sevenb.backend.protocol import Backend, SampleControl
from sevenb.backend.reference import ReferenceBackend
from tests.backend.tiny_model import VOCAB, Chunk, TinyLayer

BACKENDS: dict[str, Callable[[], Backend]] = {"reference": ReferenceBackend} | {
    f"native-{isa}": (lambda isa=isa: NativeBackend(threads=2, isa=isa)) for isa in available_isas()
}
KV_DTYPES = pytest.mark.parametrize("kv_dtype", ["f32", "f16", "k16v8", "int8"])
NATIVE = [name for name in BACKENDS if name != "reference"]
PROMPT = [int(t) for t in np.random.default_rng(3).integers(0, VOCAB, 45)]
BLOCKS = [9, 2, 30, 4, 17, 5]
OTHER = [int(t) for t in np.random.default_rng(4).integers(0, VOCAB, 20)]
OTHER_BLOCKS = [1, 0, 31]


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]()


@pytest.fixture(params=NATIVE)
def native(request: pytest.FixtureRequest) -> Backend:
    return BACKENDS[request.param]()


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("window", [None, 13])
def test_float_weights_give_the_reference_logits(native: Backend, interleaved: bool, window: int | None) -> None:
    options = {"quantised": False, "interleaved": interleaved, "window": window}
    expected = TinyLayer(ReferenceBackend(), **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(native, **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    np.testing.assert_allclose(actual, expected, atol=3e-5, rtol=1e-4)


@pytest.mark.parametrize("kv_dtype", ["k16v8", "int8"])
def test_a_cache_of_integers_rounds_as_the_reference_does(native: Backend, kv_dtype: str) -> None:
    options = {"quantised": False, "kv_dtype": kv_dtype}
    exact = TinyLayer(ReferenceBackend(), quantised=False).forward([Chunk(PROMPT, 0, BLOCKS)])
    expected = TinyLayer(ReferenceBackend(), **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(native, **options).forward([Chunk(PROMPT, 0, BLOCKS)])
    assert np.abs(actual - expected).max() < 0.2 * np.abs(expected - exact).max()


def test_quantised_weights_stay_close_to_the_reference(native: Backend) -> None:
    expected = TinyLayer(ReferenceBackend()).forward([Chunk(PROMPT, 0, BLOCKS)])
    actual = TinyLayer(native).forward([Chunk(PROMPT, 0, BLOCKS)])
    error = np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2))
    assert 0 < error < 0.03  # int8 activations round by about half a per cent, six times over


@KV_DTYPES
def test_a_prompt_in_chunks_gives_the_logits_of_the_whole(backend: Backend, kv_dtype: str) -> None:
    whole = TinyLayer(backend, kv_dtype=kv_dtype).forward([Chunk(PROMPT, 0, BLOCKS)])
    chunked = TinyLayer(backend, kv_dtype=kv_dtype)
    parts = [chunked.forward([Chunk(PROMPT[a:b], a, BLOCKS)]) for a, b in [(0, 1), (1, 14), (14, 16), (16, 45)]]
    _assert_same(backend, np.concatenate(parts), whole)


def test_neighbours_in_the_batch_change_nothing(backend: Backend) -> None:
    alone = TinyLayer(backend).forward([Chunk(PROMPT, 0, BLOCKS)])
    layer = TinyLayer(backend)
    layer.forward([Chunk(OTHER[:-1], 0, OTHER_BLOCKS), Chunk(PROMPT[:-1], 0, BLOCKS)])
    together = layer.forward([Chunk(OTHER[-1:], 19, OTHER_BLOCKS), Chunk(PROMPT[-1:], 44, BLOCKS)])
    _assert_same(backend, together[1], alone[-1])


def test_threads_change_nothing() -> None:
    one = TinyLayer(NativeBackend(threads=1)).forward([Chunk(PROMPT, 0, BLOCKS)])
    three = TinyLayer(NativeBackend(threads=3)).forward([Chunk(PROMPT, 0, BLOCKS)])
    np.testing.assert_array_equal(one, three)


def test_instruction_sets_agree_bit_for_bit() -> None:
    results = [TinyLayer(BACKENDS[name]()).forward([Chunk(PROMPT, 0, BLOCKS)]) for name in NATIVE]
    for result in results[1:]:
        np.testing.assert_array_equal(result, results[0])


@KV_DTYPES
def test_copied_blocks_carry_the_history(backend: Backend, kv_dtype: str) -> None:
    layer = TinyLayer(backend, kv_dtype=kv_dtype)
    layer.forward([Chunk(PROMPT[:20], 0, BLOCKS[:3])])
    copies = [20, 21, 22]
    backend.copy_blocks(layer.cache, list(zip(BLOCKS[:3], copies, strict=True)))
    original = layer.forward([Chunk(PROMPT[20:21], 20, BLOCKS[:3])])
    np.testing.assert_array_equal(layer.forward([Chunk(PROMPT[20:21], 20, copies)]), original)


@KV_DTYPES
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


def test_every_backend_chooses_the_same_tokens(native: Backend) -> None:
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
    actual = native.sample(logits, controls)
    assert [s.token_id for s in actual] == [s.token_id for s in expected]
    for mine, theirs in zip(actual, expected, strict=True):
        assert (mine.logprob is None) == (theirs.logprob is None)
        assert [i for i, _ in mine.top_logprobs] == [i for i, _ in theirs.top_logprobs]
        if theirs.logprob is not None:
            assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-4)


def _assert_same(backend: Backend, actual: np.ndarray, expected: np.ndarray) -> None:
    """Exact on the native backend, which promises it; NumPy's own products may differ in the last bits."""
    if backend.name == "native":
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, atol=2e-5)
