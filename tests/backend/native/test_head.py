"""A head in two halves: whatever is chosen from its logits is what is chosen from exact ones."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.backend.native import NativeBackend, _kernels, available_isas
from sevenb.backend.native.head import PendingLogits
from sevenb.backend.protocol import Batch, SampleControl
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.rope import RopeProfile
from sevenb.model.tokenizer import Tokenizer
from tests.backend.native.random_weights import random_tensor

FloatArray = npt.NDArray[np.float32]

BACKENDS = {isa: NativeBackend(threads=2, isa=isa) for isa in available_isas()}
BEST = BACKENDS[available_isas()[-1]]
SPLIT = [QuantType.Q8_0, QuantType.Q6_K]
GREEDY = SampleControl(temperature=0.0)


def split(backend: NativeBackend, tensor: RawTensor) -> _kernels.SplitMatrix:
    """The tensor in two halves, however small it is."""
    return _kernels.SplitMatrix(tensor.quant_type, tensor.rows, tensor.columns, tensor.data, backend._pool)


def pending(
    backend: NativeBackend, quant_type: QuantType, tokens: int, vocabulary: int, columns: int, seed: int = 0
) -> PendingLogits:
    """Logits of random states by a random head."""
    rng = np.random.default_rng(seed)
    head = split(backend, random_tensor(quant_type, vocabulary, columns, rng))
    hidden = rng.standard_normal((tokens, columns), np.float32)
    hidden[:, rng.integers(columns)] *= 30  # as real models have it
    norm = rng.uniform(0.5, 1.5, columns).astype(np.float32)
    return PendingLogits(backend._workspace, hidden, np.arange(tokens, dtype=np.int32), norm, 1e-6, head)


def best_of(logits: FloatArray, control: SampleControl) -> list[tuple[int, float]]:
    """The ids and logits that a control chooses from, best first, ties by lower id."""
    count = 1 if control.temperature == 0 else control.top_k
    allowed = np.arange(len(logits))
    if control.allowed is not None:
        allowed = allowed[np.unpackbits(control.allowed.view(np.uint8), bitorder="little")[: len(logits)] == 1]
    order = allowed[np.argsort(-logits[allowed], kind="stable")][:count]
    return [(int(token), float(logits[token])) for token in order]


def assert_same_choice(logits: PendingLogits, controls: list[SampleControl]) -> None:
    coarse = logits.to_choose(controls)
    for row, control in enumerate(controls):
        assert best_of(coarse[row], control) == best_of(logits.exact[row], control), f"row {row}: {control}"


def mask_of(rng: np.random.Generator, vocabulary: int, part: float) -> npt.NDArray[np.uint32]:
    """A part of the vocabulary, in words whose last one goes past its end."""
    bits = np.zeros(-(-vocabulary // 32) * 32, np.uint8)
    bits[:vocabulary] = rng.random(vocabulary) < part
    return np.packbits(bits, bitorder="little").view(np.uint32)


# -- the halves --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
@pytest.mark.parametrize("rows", [1, 16, 45])
def test_splitting_keeps_every_value_to_the_last_bit(quant_type: QuantType, rows: int) -> None:
    tensor = random_tensor(quant_type, rows, 512, np.random.default_rng(rows))
    out = np.empty((rows, 512), np.float32)
    _kernels.embed(BEST._workspace, split(BEST, tensor), np.arange(rows, dtype=np.int32), out)
    np.testing.assert_array_equal(out, dequantize(tensor))


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
def test_a_split_head_takes_little_more_than_the_file(quant_type: QuantType) -> None:
    tensor = random_tensor(quant_type, 64, 1024, np.random.default_rng(0))
    head = BEST.pack(tensor, head=True)
    assert isinstance(head, _kernels.SplitMatrix)
    assert BEST.weight_bytes(head) <= 1.04 * tensor.data.nbytes


@pytest.mark.parametrize("quant_type", [QuantType.Q4_K, QuantType.F16])
def test_other_types_stay_whole(quant_type: QuantType) -> None:
    tensor = random_tensor(quant_type, 64, 256, np.random.default_rng(0))
    assert isinstance(BEST.pack(tensor, precise=True, head=True), _kernels.PackedMatrix)
    assert not _kernels.SplitMatrix.splits(quant_type)


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
def test_weights_that_were_rounded_before_stay_whole(quant_type: QuantType) -> None:
    """Their lower halves are all alike: no sum of those is normal, and coarse logits would say nothing."""
    tensor = random_tensor(quant_type, 300, 512, np.random.default_rng(0))
    blocks = tensor.data.reshape(-1, quant_type.block_bytes).copy()
    weights = slice(2, 34) if quant_type is QuantType.Q8_0 else slice(0, 128)
    blocks[:, weights] &= 0xF0 if quant_type is QuantType.Q8_0 else 0x88
    rounded = RawTensor("rounded", quant_type, tensor.shape, blocks.ravel())
    assert isinstance(BEST.pack(tensor, head=True), _kernels.SplitMatrix)
    assert isinstance(BEST.pack(rounded, precise=True, head=True), _kernels.PackedMatrix)
    assert BEST.kernel_for(rounded, precise=True, head=True) == BEST.kernel_for(rounded, precise=True)


def test_missing_bytes_are_refused() -> None:
    whole = random_tensor(QuantType.Q8_0, 8, 64, np.random.default_rng(0))
    with pytest.raises(UnsupportedModel, match="needs 544 bytes, not 543"):
        BEST.pack(RawTensor(whole.name, whole.quant_type, whole.shape, whole.data[:-1]), head=True)


# -- exact logits ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isa", BACKENDS)
@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
@pytest.mark.parametrize("tokens", [1, 3, 9, 70])
def test_exact_logits_are_those_of_the_whole_matrix(isa: str, quant_type: QuantType, tokens: int) -> None:
    backend = BACKENDS[isa]
    tensor = random_tensor(quant_type, 333, 512, np.random.default_rng(1))
    hidden = np.random.default_rng(2).standard_normal((tokens, 512), np.float32)
    norm, rows = np.ones(512, np.float32), np.arange(tokens, dtype=np.int32)
    split = PendingLogits(backend._workspace, hidden, rows, norm, 1e-6, backend.pack(tensor, head=True)).exact
    whole = np.empty_like(split)
    packed = backend.pack(tensor, precise=True)
    _kernels.logits(backend._workspace, hidden, rows, norm, 1e-6, packed, whole)
    np.testing.assert_array_equal(split, whole)


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
def test_instruction_sets_threads_and_neighbours_change_no_bit(quant_type: QuantType) -> None:
    controls = [GREEDY, SampleControl(top_k=7), GREEDY, SampleControl(top_k=40)]
    for backend in [*BACKENDS.values(), NativeBackend(threads=1), NativeBackend(threads=3)]:
        logits = pending(backend, quant_type, 4, 3000, 512)
        expected = pending(BEST, quant_type, 4, 3000, 512)
        np.testing.assert_array_equal(logits.exact, expected.exact)
        together = logits.to_choose(controls)
        for row, control in enumerate(controls):
            alone = replace(logits, rows=np.array([row], np.int32)).to_choose([control])[0]
            assert best_of(alone, control) == best_of(together[row], control) == best_of(expected.exact[row], control)


# -- choices -----------------------------------------------------------------------------------------------


@given(
    quant_type=st.sampled_from(SPLIT),
    isa=st.sampled_from(list(BACKENDS)),
    tokens=st.sampled_from([1, 2, 5, 32]),
    vocabulary=st.integers(1, 4000),
    records=st.integers(1, 4),
    top_k=st.sampled_from([1, 2, 20, 128]),
    part=st.sampled_from([None, 0.5, 0.01, 0.0]),
    seed=st.integers(0, 1000),
)
def test_choices_are_those_of_exact_logits(
    quant_type: QuantType,
    isa: str,
    tokens: int,
    vocabulary: int,
    records: int,
    top_k: int,
    part: float | None,
    seed: int,
) -> None:
    columns = records * (32 if quant_type is QuantType.Q8_0 else 256)
    logits = pending(BACKENDS[isa], quant_type, tokens, vocabulary, columns, seed)
    mask = None if part is None else mask_of(np.random.default_rng(seed), vocabulary, part)
    controls = [replace(GREEDY, allowed=mask), SampleControl(top_k=top_k, allowed=mask), SampleControl(top_k=top_k)]
    assert_same_choice(logits, [controls[row % 3] for row in range(tokens)])


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
def test_of_equal_logits_all_are_exact(quant_type: QuantType) -> None:
    row = random_tensor(quant_type, 1, 256, np.random.default_rng(0))
    equal = RawTensor("equal", quant_type, (500, 256), np.tile(row.data, 500))
    hidden = np.random.default_rng(1).standard_normal((1, 256), np.float32)
    head = split(BEST, equal)
    logits = PendingLogits(BEST._workspace, hidden, np.zeros(1, np.int32), np.ones(256, np.float32), 1e-6, head)
    np.testing.assert_array_equal(logits.to_choose([GREEDY]), logits.exact)
    assert BEST.sample(logits, [GREEDY])[0].token_id == 0


@pytest.mark.parametrize("quant_type", SPLIT, ids=lambda t: t.name)
def test_rows_that_were_rounded_before_are_always_exact(quant_type: QuantType) -> None:
    """All that their lower halves add lies on one side, for inputs of one sign: far more than chance would add."""
    rng = np.random.default_rng(0)
    tensor = random_tensor(quant_type, 4000, 512, rng, scale=0.0)
    blocks = tensor.data.reshape(4000, -1, quant_type.block_bytes).copy()
    one = np.frombuffer(np.float16(0.01).tobytes(), np.uint8)
    weights, scale = (slice(2, 34), slice(0, 2)) if quant_type is QuantType.Q8_0 else (slice(0, 128), slice(208, 210))
    blocks[:, :, scale] = one
    if quant_type is QuantType.Q6_K:
        blocks[:, :, 192:208] = 1
    blocks[1234, :, weights] |= 0x0F if quant_type is QuantType.Q8_0 else 0x77
    head = split(BEST, RawTensor("head", quant_type, (4000, 512), blocks.ravel()))
    hidden = np.abs(rng.standard_normal((1, 512), np.float32))
    norm = np.ones(512, np.float32)
    logits = PendingLogits(BEST._workspace, hidden, np.zeros(1, np.int32), norm, 1e-6, head)
    assert logits.to_choose([GREEDY])[0, 1234] == logits.exact[0, 1234]


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.0, 1e-30])
def test_states_of_no_use_choose_what_exact_logits_do(value: float) -> None:
    logits = pending(BEST, QuantType.Q8_0, 2, 700, 64)
    logits.hidden[0, :] = value
    controls = [GREEDY, SampleControl(top_k=3, uniform=0.5)]
    assert BEST.sample(logits, controls) == BEST.sample(logits.exact, controls)


@pytest.mark.parametrize(
    "control",
    [
        SampleControl(),
        SampleControl(top_p=0.9, min_p=0.1),
        SampleControl(top_k=4, logprobs=2),
        SampleControl(temperature=0.0, logit_bias={3: 50.0}),
        SampleControl(top_k=4, presence_penalty=1.0, output_counts={5: 1}),
        SampleControl(top_k=129),
    ],
    ids=["temperature", "top-p", "log-probabilities", "bias", "penalty", "many"],
)
def test_whoever_may_need_any_logit_has_them_all(control: SampleControl) -> None:
    logits = pending(BEST, QuantType.Q6_K, 2, 1000, 256)
    np.testing.assert_array_equal(logits.to_choose([GREEDY, control]), logits.exact)


def test_log_probabilities_and_hosts_get_exact_logits() -> None:
    logits = pending(BEST, QuantType.Q6_K, 2, 1000, 256)
    exact = logits.exact.copy()
    BEST.sample(logits, [GREEDY, GREEDY])
    np.testing.assert_array_equal(BEST.to_host(logits), exact)
    assert BEST.token_logprobs(logits, [0, 1], [3, 4], 2) == BEST.token_logprobs(exact, [0, 1], [3, 4], 2)


def test_most_of_a_large_vocabulary_is_never_computed_exactly() -> None:
    logits = pending(BEST, QuantType.Q8_0, 1, 20_000, 512)
    assert np.mean(logits.to_choose([GREEDY]) == logits.exact) < 0.2


# -- a real model ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real_logits(coder_05b: Path) -> Iterator[PendingLogits]:
    """What the real 0.5B says after each token of a text."""
    with Checkpoint.open(coder_05b) as checkpoint:
        decoder = Decoder(checkpoint, BEST)
        text = "def quick_sort(items):\n    # 快速排序 sorts a list, on average in O(n log n).\n" * 8
        tokens = np.array(Tokenizer.from_metadata(checkpoint.metadata).encode(text)[:200], np.int32)
        positions = np.arange(len(tokens), dtype=np.int32)
        cos, sin = RopeProfile(checkpoint.config.rope).angles(positions)
        batch = Batch(
            token_ids=tokens,
            positions=positions,
            query_starts=np.array([0, len(tokens)], np.int32),
            context_lengths=np.array([len(tokens)], np.int32),
            block_tables=np.arange(8, dtype=np.int32)[None],
            logit_rows=positions,
            rope_cos=cos,
            rope_sin=sin,
        )
        yield decoder.forward(batch, BEST.allocate_kv(decoder.kv_layout(32, "k16v8"), 8))


def test_a_real_model_chooses_the_same_tokens(real_logits: PendingLogits) -> None:
    rng = np.random.default_rng(0)
    for row in range(0, len(real_logits.rows), 8):
        one = replace(real_logits, rows=np.array([row], np.int32))
        mask = mask_of(rng, real_logits.head.rows, 0.05)
        for control in (GREEDY, SampleControl(top_k=20), SampleControl(top_k=20, allowed=mask)):
            assert_same_choice(one, [control])
