"""Tokens that the kernels choose are those of the plain ops and, where logits tie, of the reference."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from sevenb.backend.protocol import SampleControl
from sevenb.backend.reference import ReferenceBackend
from sevenb.backend.torch import sampling
from sevenb.backend.torch.kernels import choose
from sevenb.backend.torch.kernels.launch import INTERPRETED
from sevenb.backend.torch.kernels.ops import TritonOps
from sevenb.backend.torch.plain import PlainOps
from tests.backend.torch.kernels.steps import DEVICE

OURS, PLAIN = TritonOps(torch.float16), PlainOps(torch.float16)

DRAWN = [
    SampleControl(),
    SampleControl(top_k=1, uniform=0.99),
    SampleControl(top_k=20, top_p=0.8, temperature=0.7),
    SampleControl(top_p=0.9),
    SampleControl(top_p=0.5, min_p=0.01),
    SampleControl(min_p=0.05, temperature=1.5),
    SampleControl(temperature=3.0),
    SampleControl(temperature=1e-40),
    SampleControl(top_k=100_000, top_p=0.999),
]


@pytest.fixture(autouse=True)
def _few_candidates(monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter sorts at a few thousand numbers a second."""
    if INTERPRETED:
        monkeypatch.setattr(choose, "MOST", 64)
        monkeypatch.setattr(choose, "TILE", 1024)
        monkeypatch.setattr(choose, "SEARCHED", 1024)


def logits_of(rows: int, vocabulary: int, spread: float = 3.0, seed: int = 0) -> torch.Tensor:
    """As a model's: most in the middle, a few far above."""
    random = np.random.default_rng(seed)
    numbers = random.standard_normal((rows, vocabulary)) * spread + (random.random((rows, vocabulary)) < 0.01) * 8
    return torch.from_numpy(numbers.astype(np.float32)).to(DEVICE)


def mask(vocabulary: int, token_ids: Sequence[int]) -> np.ndarray:
    bits = np.zeros(-(-vocabulary // 32) * 32, np.uint8)
    bits[list(token_ids)] = 1
    return np.packbits(bits, bitorder="little").view(np.uint32)


def ids(logits: torch.Tensor, controls: Sequence[SampleControl], ops: PlainOps = OURS) -> list[int]:
    before = logits.clone()
    *chosen, overflowed = sampling.chosen(ops, logits, controls).tolist()
    torch.testing.assert_close(logits, before, rtol=0, atol=0, equal_nan=True)
    assert not overflowed or not logits.isfinite().all()
    return chosen


def of_reference(logits: torch.Tensor, controls: Sequence[SampleControl]) -> list[int]:
    return [sampled.token_id for sampled in ReferenceBackend().sample(logits.cpu().numpy(), controls)]


@pytest.mark.parametrize("vocabulary", [17, 1000])
def test_drawn_tokens_are_those_of_plain_torch(vocabulary: int) -> None:
    random = np.random.default_rng(vocabulary)
    for seed in range(2):
        controls = [replace(control, uniform=random.random()) for control in DRAWN]
        logits = logits_of(len(controls), vocabulary, 1.0 + 2 * seed, seed)
        assert ids(logits, controls) == ids(logits, controls, PLAIN)


def test_a_whole_vocabulary_s_tokens_are_those_of_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choose, "TILE", 1 << 15)
    monkeypatch.setattr(choose, "SEARCHED", 1 << 16)
    logits = logits_of(3, 151_936)
    controls = [SampleControl(uniform=0.4), SampleControl(top_k=20, top_p=0.8, uniform=0.97), SampleControl(top_p=0.9)]
    assert ids(logits, controls) == ids(logits, controls, PLAIN)


@pytest.mark.parametrize("most", [2, 16])
def test_a_row_is_searched_where_candidates_do_not_hold_the_answer(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(choose, "MOST", most)
    random = np.random.default_rng(most)
    controls = [replace(control, uniform=random.random()) for control in DRAWN] + [
        SampleControl(top_k=300, uniform=0.99),
        SampleControl(top_k=300, top_p=0.6, uniform=0.999),
    ]
    logits = logits_of(len(controls), 1000, 1.0, seed=most)
    assert ids(logits, controls) == ids(logits, controls, PLAIN)


def test_equal_logits_go_by_their_ids() -> None:
    """Hundreds of them are no candidates: there is not room for all."""
    logits = torch.zeros(4, 1301, device=DEVICE)
    logits[1, 5::7] = 2.0
    logits[2:, ::2] = -0.0
    logits[3, 900:] = -torch.inf
    controls = [
        SampleControl(uniform=0.3),
        SampleControl(uniform=0.95, top_k=50),
        SampleControl(uniform=0.95, top_p=0.5),
        SampleControl(uniform=0.5, top_k=5),
    ]
    assert ids(logits, controls) == of_reference(logits, controls)
    assert ids(logits, [SampleControl(temperature=0.0)] * 4) == [0, 5, 0, 0]


@pytest.mark.parametrize("rows", [1, 3, 9])
@pytest.mark.parametrize("vocabulary", [17, 5000])
def test_greedy_takes_the_first_of_the_best(rows: int, vocabulary: int) -> None:
    logits = logits_of(rows, vocabulary, -3.0).round()
    assert ids(logits, [SampleControl(temperature=0.0)] * rows) == ids(
        logits, [SampleControl(temperature=0.0)] * rows, PLAIN
    )


@pytest.mark.parametrize("vocabulary", [45, 4100])
def test_masks_biases_and_penalties_come_before(vocabulary: int) -> None:
    logits = logits_of(6, vocabulary)
    logits[2, 7] = torch.nan
    prompt = np.arange(0, vocabulary, 3, dtype=np.int32)
    controls = [
        SampleControl(temperature=0.0, allowed=mask(vocabulary, [11, 40])),
        SampleControl(uniform=0.7, allowed=mask(vocabulary, range(1, vocabulary, 2)), logit_bias={3: 4.0, 2: 90.0}),
        SampleControl(uniform=0.2, logit_bias={7: 100.0, 0: -100.0}),
        SampleControl(uniform=0.9, repetition_penalty=1.3, prompt_tokens=prompt, output_counts={1: 2, 3: 1}),
        SampleControl(temperature=0.0, presence_penalty=0.5, frequency_penalty=0.25, output_counts={1: 2, 3: 1}),
        SampleControl(uniform=0.5, top_k=3, frequency_penalty=-2.0, output_counts={4: 3, 5: 1}),
    ]
    assert ids(logits, controls) == ids(logits, controls, PLAIN) == of_reference(logits, controls)


def test_what_is_no_number_is_never_chosen() -> None:
    logits = torch.full((5, 70), torch.nan, device=DEVICE)
    logits[:2, 12] = -5.0
    logits[3] = -torch.inf
    allowed = mask(70, [44, 60])
    controls = [
        SampleControl(temperature=0.0),
        SampleControl(uniform=0.9),
        SampleControl(allowed=allowed),
        SampleControl(temperature=0.0, allowed=allowed),
        SampleControl(uniform=0.5),
    ]
    assert ids(logits, controls) == [12, 12, 44, 44, 0]
    assert ids(logits, [SampleControl(temperature=0.0)] * 5) == [12, 12, 0, 0, 0]


@pytest.mark.parametrize("broken", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize(
    "control",
    [SampleControl(temperature=0.0), SampleControl(), SampleControl(logit_bias={2: 1.0})],
    ids=["greedy", "drawn", "edited"],
)
def test_logits_that_are_not_finite_are_told_in_float16_alone(broken: float, control: SampleControl) -> None:
    logits = torch.zeros(2, 40, device=DEVICE)
    assert sampling.chosen(OURS, logits, [control] * 2)[-1] == 0
    logits[1, 3] = broken
    assert sampling.chosen(OURS, logits, [control] * 2)[-1] == 1
    assert sampling.chosen(TritonOps(torch.bfloat16), logits, [control] * 2)[-1] == 0


def test_tokens_share_the_uniform_numbers_by_their_probabilities() -> None:
    count = 40
    logits = logits_of(1, 200, 2.0)
    control = SampleControl(temperature=0.8, top_k=12)
    drawn = ids(logits.expand(count, -1), [replace(control, uniform=(i + 0.5) / count) for i in range(count)])
    order = np.argsort(-logits[0].cpu().numpy(), kind="stable")
    weights = np.exp(logits[0].double().cpu().numpy()[order[:12]] / 0.8)
    counts = np.bincount(drawn, minlength=200)
    assert np.abs(counts[order[:12]] - count * weights / weights.sum()).max() <= 1.0
    assert counts[order[12:]].sum() == 0
