"""Tokens chosen on the device are those that the reference chooses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.backend.protocol import SampleControl
from sevenb.backend.reference import ReferenceBackend
from sevenb.errors import NumberOverflow
from tests.torch_or_skip import torch

from sevenb.backend.torch import TorchBackend, choosing  # isort: skip

VOCAB = 301
BACKEND = TorchBackend("cpu")
IDS = st.integers(0, VOCAB - 1)


def mask(token_ids: set[int]) -> np.ndarray:
    words = np.zeros(-(-VOCAB // 32), np.uint32)
    for token_id in token_ids:
        words[token_id // 32] |= np.uint32(1 << token_id % 32)
    return words


CONTROLS = st.builds(
    SampleControl,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 1.7]),
    top_k=st.sampled_from([0, 1, 5, 40, VOCAB, 5000]),
    top_p=st.sampled_from([1.0, 0.9, 0.3, 0.01]),
    min_p=st.sampled_from([0.0, 0.02, 0.4]),
    uniform=st.floats(0, 1, exclude_max=True),
    repetition_penalty=st.sampled_from([1.0, 1.3]),
    presence_penalty=st.sampled_from([0.0, 0.7]),
    frequency_penalty=st.sampled_from([0.0, -0.2]),
    prompt_tokens=st.none() | st.sets(IDS).map(lambda ids: np.array(sorted(ids), np.int32)),
    output_counts=st.none() | st.dictionaries(IDS, st.integers(1, 4), max_size=8),
    logit_bias=st.none() | st.dictionaries(IDS, st.sampled_from([-100.0, -1.0, 2.0, 100.0]), max_size=4),
    allowed=st.none() | st.sets(IDS, min_size=1, max_size=40).map(mask),
    logprobs=st.none() | st.integers(0, 7),
)


def rows_of(seed: int, count: int, spread: float) -> np.ndarray:
    """Random logits without ties."""
    rng = np.random.default_rng(seed)
    return np.stack([rng.permutation(VOCAB) for _ in range(count)]).astype(np.float32) * np.float32(spread / VOCAB)


@settings(max_examples=150, deadline=None)
@given(
    controls=st.lists(CONTROLS, min_size=1, max_size=5),
    seed=st.integers(0, 2**32 - 1),
    spread=st.sampled_from([0.5, 8.0, 40.0]),
)
def test_any_mix_of_controls_chooses_as_the_reference(controls: list[SampleControl], seed: int, spread: float) -> None:
    logits = rows_of(seed, len(controls), spread)
    given_logits = torch.from_numpy(logits.copy())
    expected = ReferenceBackend().sample(logits, controls)
    actual = BACKEND.sample(given_logits, controls)
    np.testing.assert_array_equal(given_logits.numpy(), logits)
    for mine, theirs in zip(actual, expected, strict=True):
        assert mine.token_id == theirs.token_id
        assert (mine.logprob is None) == (theirs.logprob is None)
        assert [i for i, _ in mine.top_logprobs] == [i for i, _ in theirs.top_logprobs]
        if theirs.logprob is not None:
            assert mine.logprob == pytest.approx(theirs.logprob, abs=1e-3)


def test_selecting_gives_what_sorting_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.from_numpy(rows_of(5, 3, 8.0))
    controls = [SampleControl(top_k=k, top_p=0.95, uniform=0.83) for k in (3, 20, 50)]
    selected = BACKEND.sample(logits, controls)
    monkeypatch.setattr(choosing, "_FEW", 0)
    assert BACKEND.sample(logits, controls) == selected


def test_equal_logits_go_to_the_lowest_id() -> None:
    logits = torch.zeros(2, VOCAB)
    logits[:, [7, 30, 200]] = 3.0
    greedy = SampleControl(temperature=0.0, logprobs=4)
    first, second = BACKEND.sample(logits, [greedy, SampleControl(uniform=0.0, logprobs=2)])
    assert (first.token_id, second.token_id) == (7, 7)
    assert [token_id for token_id, _ in first.top_logprobs] == [7, 30, 200, 0]


def test_what_is_no_number_is_never_chosen() -> None:
    logits = torch.full((3, VOCAB), torch.nan)
    logits[:2, 12] = -5.0
    controls = [SampleControl(temperature=0.0), SampleControl(uniform=0.9), SampleControl(allowed=mask({44, 90}))]
    assert [sampled.token_id for sampled in BACKEND.sample(logits, controls)] == [12, 12, 44]


@pytest.mark.parametrize(
    "control",
    [SampleControl(logit_bias={VOCAB: 1.0}), SampleControl(allowed=mask(set()))],
    ids=["a token outside of the vocabulary", "a mask that allows none"],
)
def test_a_control_that_cannot_be_met_is_refused(control: SampleControl) -> None:
    with pytest.raises(ValueError, match=r"vocabulary|no token"):
        BACKEND.sample(torch.zeros(1, VOCAB), [control])
    with pytest.raises(ValueError, match="1 controls for 2 rows"):
        BACKEND.sample(torch.zeros(2, VOCAB), [SampleControl()])


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_float16_that_overflowed_is_told_with_its_remedy(broken: float, temperature: float) -> None:
    backend, controls = TorchBackend("cpu", "half"), [SampleControl(temperature=temperature)] * 2
    logits = torch.zeros(2, VOCAB)
    backend.sample(logits, controls)
    logits[1, 3] = broken
    with pytest.raises(NumberOverflow, match="--dtype bfloat16"):
        backend.sample(logits, controls)
    with pytest.raises(NumberOverflow, match="--dtype bfloat16"):
        backend.token_logprobs(logits, [0], [1], 2)
