"""The native sampler: what `SampleControl` says in plain NumPy, on rows that try to trip it up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.backend.native import _kernels
from sevenb.backend.native.sampling import sample, token_logprobs
from sevenb.backend.protocol import FloatArray, SampleControl
from sevenb.backend.reference.sampling import sample_row, with_logprobs

ISAS = _kernels.available_isas()
POOL = _kernels.ThreadPool(2)
GREEDY = SampleControl(temperature=0.0)


def choose(logits: FloatArray, control: SampleControl, isa: str = "auto") -> int:
    return sample(POOL, isa, np.atleast_2d(logits), [control])[0].token_id


def random_logits(random: np.random.Generator, kind: str, size: int) -> FloatArray:
    logits = random.standard_normal(size) * 4
    if kind == "ties":
        logits = np.round(logits)
    elif kind == "flat":
        logits = logits * 1e-3
    elif kind == "peaked":
        logits[random.integers(size)] += 30
    elif kind == "huge":
        logits = logits * 1e30
    elif kind == "broken":
        logits[random.random(size) < 0.3] = np.nan
        logits[random.random(size) < 0.3] = -np.inf
        logits[random.integers(size)] = 1.0
    return logits.astype(np.float32)


def random_mask(random: np.random.Generator, size: int, share: float) -> np.ndarray:
    bits = random.random(-(-size // 32) * 32) < share
    bits[random.integers(size)] = True
    return np.packbits(bits, bitorder="little").view(np.uint32)


def _random_bias(random: np.random.Generator, ids: np.ndarray) -> dict[int, float]:
    return {int(i): float(bias) for i, bias in zip(ids, random.uniform(-50, 5, len(ids)), strict=True)}


KINDS = ["normal", "ties", "flat", "peaked", "huge", "broken"]
controls = st.builds(
    SampleControl,
    temperature=st.sampled_from([0.0, 1e-3, 0.2, 0.7, 1.0, 2.0, 100.0]),
    top_k=st.sampled_from([0, 1, 2, 20, 100, 10**6]),
    top_p=st.sampled_from([1.0, 1e-6, 0.1, 0.8, 0.95, 0.999]),
    min_p=st.sampled_from([0.0, 1e-5, 0.05, 0.5, 1.0]),
    uniform=st.floats(0, 1, exclude_max=True),
    repetition_penalty=st.sampled_from([1.0, 1.0, 0.5, 1.3]),
    presence_penalty=st.sampled_from([0.0, 0.0, 1.5, -2.0]),
    frequency_penalty=st.sampled_from([0.0, 0.0, 0.3, -1.0]),
    logprobs=st.sampled_from([None, 0, 1, 20]),
)


@settings(max_examples=400, deadline=None)
@given(
    control=controls,
    kind=st.sampled_from(KINDS),
    size=st.sampled_from([1, 2, 31, 64, 65, 1000, 8191]),
    seed=st.integers(0, 2**32),
    biased=st.booleans(),
    allowed_share=st.sampled_from([None, None, 0.02, 0.9]),
    isa=st.sampled_from(ISAS),
)
def test_every_choice_is_the_documented_one(
    control: SampleControl, kind: str, size: int, seed: int, biased: bool, allowed_share: float | None, isa: str
) -> None:
    random = np.random.default_rng(seed)
    logits = random_logits(random, kind, size)
    some = random.integers(0, size, 30)
    control = replace(
        control,
        prompt_tokens=np.unique(some[:20]).astype(np.int32),
        output_counts={int(i): int(n) for i, n in zip(some[15:], random.integers(1, 5, 15), strict=True)},
        logit_bias=_random_bias(random, some[10:18]) if biased else None,
        allowed=None if allowed_share is None else random_mask(random, size, allowed_share),
    )
    untouched = logits.copy()
    (actual,) = sample(POOL, isa, logits[None], [control])
    np.testing.assert_array_equal(logits, untouched)
    with np.errstate(over="ignore", invalid="ignore"):
        expected = sample_row(logits, control)
    if np.isneginf(_allowed_peak(logits, control)):
        return  # nothing to choose from: a test of its own
    assert actual.token_id == expected.token_id
    assert [i for i, _ in actual.top_logprobs] == [i for i, _ in expected.top_logprobs]
    if control.logprobs is None:
        assert actual.logprob is None
    else:
        _assert_close([actual.logprob], [expected.logprob])
        _assert_close([p for _, p in actual.top_logprobs], [p for _, p in expected.top_logprobs])


def _allowed_peak(logits: FloatArray, control: SampleControl) -> float:
    allowed = np.ones(len(logits), bool)
    if control.allowed is not None:
        allowed = np.unpackbits(control.allowed.view(np.uint8), bitorder="little")[: len(logits)] > 0
    return float(np.where(allowed & ~np.isnan(logits), logits, -np.inf).max())


def _assert_close(actual: list[float | None], expected: list[float | None]) -> None:
    np.testing.assert_allclose(np.array(actual, float), np.array(expected, float), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("control", "logits"),
    [
        (SampleControl(temperature=0.8), np.random.default_rng(1).standard_normal(300) * 2),
        (SampleControl(temperature=1.5, top_k=40, top_p=0.9), np.random.default_rng(2).standard_normal(9000) * 3),
        (SampleControl(min_p=0.1), np.random.default_rng(3).standard_normal(5000)),
    ],
)
def test_uniform_numbers_draw_the_distribution(control: SampleControl, logits: np.ndarray, isa: str) -> None:
    logits = logits.astype(np.float32)
    survivors = _survivors(logits, control)
    draws = 5000
    uniforms = (np.arange(draws) + 0.5) / draws
    rows = np.broadcast_to(logits, (500, len(logits))).copy()
    counts = np.zeros(len(logits))
    for start in range(0, draws, 500):
        batch = [replace(control, uniform=float(u)) for u in uniforms[start : start + 500]]
        for sampled in sample(POOL, isa, rows, batch):
            counts[sampled.token_id] += 1
    # Evenly spaced uniforms hit each interval of the CDF to within one draw at either end.
    np.testing.assert_allclose(counts, survivors * draws, atol=2)
    likely = survivors * draws >= 5
    chi_square = np.sum((counts - survivors * draws)[likely] ** 2 / (survivors * draws)[likely])
    assert chi_square < likely.sum()


def _survivors(logits: FloatArray, control: SampleControl) -> np.ndarray:
    """The distribution that `SampleControl` describes, for rows without ties."""
    weights = np.exp((logits.astype(float) - logits.max()) / control.temperature)
    order = np.argsort(-weights)
    if control.top_k:
        weights[order[control.top_k :]] = 0
    mass_before = np.cumsum(weights[order]) - weights[order]
    weights[order[mass_before >= control.top_p * weights.sum()]] = 0
    weights[weights < control.min_p] = 0
    return weights / weights.sum()


def test_instruction_sets_agree_bit_for_bit_on_a_whole_vocabulary() -> None:
    random = np.random.default_rng(4)
    logits = (random.standard_normal((6, 151_936)) * 3).astype(np.float32)
    settings_of_rows = [(1, 1, 0), (0.7, 0.8, 20), (0.3, 0.95, 0), (1.3, 1, 0), (1, 0.5, 0), (0, 1, 0)]
    wanted = [
        SampleControl(temperature=t, top_p=p, top_k=k, uniform=float(random.random()), logprobs=5)
        for t, p, k in settings_of_rows
    ]
    results = [sample(POOL, isa, logits, wanted) for isa in ISAS]
    assert all(result == results[0] for result in results)
    assert [s.token_id for s in results[0]] == [sample_row(r, c).token_id for r, c in zip(logits, wanted, strict=True)]


def test_rows_of_a_batch_are_chosen_as_if_alone() -> None:
    random = np.random.default_rng(5)
    logits = (random.standard_normal((40, 3000)) * 3).astype(np.float32)
    batch = [
        replace(
            GREEDY if i % 3 == 0 else SampleControl(temperature=0.9, top_p=0.9, uniform=float(random.random())),
            logit_bias={int(random.integers(3000)): 9.0} if i % 4 == 0 else None,
            allowed=random_mask(random, 3000, 0.5) if i % 5 == 0 else None,
            frequency_penalty=0.5 * (i % 2),
            output_counts={int(random.integers(3000)): 3},
            logprobs=2 if i % 7 == 0 else None,
        )
        for i in range(40)
    ]
    alone = [sample(POOL, "auto", row[None], [control])[0] for row, control in zip(logits, batch, strict=True)]
    assert sample(POOL, "auto", logits, batch) == alone


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("size", [1, 15, 16, 63, 64, 65, 130, 5000])
def test_argmax_takes_the_lowest_id_of_equals(size: int, isa: str) -> None:
    logits = np.full(size, -3.0, np.float32)
    assert choose(logits, GREEDY, isa) == 0
    logits[size // 2 :] = 2.0
    assert choose(logits, GREEDY, isa) == size // 2
    logits[size - 1] = 2.5
    assert choose(logits, GREEDY, isa) == size - 1


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("control", [GREEDY, SampleControl(uniform=0.999), SampleControl(top_k=3, logprobs=2)])
def test_rows_without_a_finite_logit_do_not_hang(control: SampleControl, isa: str) -> None:
    assert choose(np.full(100, np.nan, np.float32), control, isa) == 0
    assert choose(np.full(100, -np.inf, np.float32), control, isa) == 0
    infinite = np.zeros(100, np.float32)
    infinite[[70, 90]] = np.inf
    assert choose(infinite, control, isa) == 70


def test_a_mask_over_hopeless_logits_still_decides() -> None:
    allowed = np.zeros(4, np.uint32)
    allowed[2] = 1 << 6
    logits = np.full(100, -np.inf, np.float32)
    assert choose(logits, replace(GREEDY, allowed=allowed)) == 70
    assert choose(logits, SampleControl(uniform=0.3, allowed=allowed)) == 70


def test_a_mask_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="row 1: the mask allows no token"):
        sample(POOL, "auto", np.zeros((2, 64), np.float32), [GREEDY, replace(GREEDY, allowed=np.zeros(2, np.uint32))])


def test_tokens_past_the_end_of_the_mask_are_not_allowed() -> None:
    logits = np.arange(100, dtype=np.float32)
    assert choose(logits, replace(GREEDY, allowed=np.full(2, 0xFFFFFFFF, np.uint32))) == 63


@pytest.mark.parametrize("token_id", [-1, 64])
def test_a_bias_outside_the_vocabulary_is_refused(token_id: int) -> None:
    with pytest.raises(ValueError, match=f"token {token_id}"):
        choose(np.zeros(64, np.float32), replace(GREEDY, logit_bias={token_id: 1.0}))


def test_repetition_counts_a_token_of_prompt_and_output_once() -> None:
    logits = np.array([4.0, 3.0, -9.0], np.float32)
    control = replace(GREEDY, repetition_penalty=1.3, prompt_tokens=np.array([0], np.int32), output_counts={0: 2})
    assert choose(logits, control) == 0
    assert choose(logits, replace(control, repetition_penalty=1.4)) == 1


def test_logprobs_are_the_models_own() -> None:
    random = np.random.default_rng(6)
    logits = random.standard_normal((3, 4000)).astype(np.float32) * 5
    rows, ids = [2, 0, 2], [17, 3999, 1]
    actual = token_logprobs(POOL, "auto", logits, rows, ids, 7)
    for sampled, row, token_id in zip(actual, rows, ids, strict=True):
        expected = with_logprobs(logits[row], token_id, 7)
        assert sampled.token_id == token_id
        assert [i for i, _ in sampled.top_logprobs] == [i for i, _ in expected.top_logprobs]
        _assert_close([p for _, p in sampled.top_logprobs], [p for _, p in expected.top_logprobs])
        _assert_close([sampled.logprob], [expected.logprob])


def test_logprobs_of_infinite_logits_are_never_nan() -> None:
    logits = np.array([[np.inf, 0, np.inf, np.nan], [-np.inf] * 4], np.float32)
    shared, hopeless = token_logprobs(POOL, "auto", logits, [0, 1], [2, 1], 4)
    assert shared.logprob == pytest.approx(-np.log(2))
    assert [p for _, p in shared.top_logprobs] == [pytest.approx(-np.log(2))] * 2 + [-np.inf] * 2
    assert hopeless.logprob == -np.inf
