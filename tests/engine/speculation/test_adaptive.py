"""How many drafts are tried: as many as make the most tokens a second on a machine that is made up."""

import random
from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.engine.sequence import Sequence
from sevenb.engine.speculation.adaptive import AdaptiveSpeculator, best_counts
from tests.engine.speculation.requests import append, sequence_of

CostOfStep = Callable[[int], float]  # drafts -> seconds


def steep(drafts: int) -> float:
    """A machine that computes several tokens no sooner than one after the other, and then some."""
    return 1.0 + 1.2 * drafts


def with_a_step(drafts: int) -> float:
    """Twice the time for any drafts at all, and then little more for each."""
    return 1.0 + (1.0 + 0.1 * drafts if drafts else 0.0)


def flat(drafts: int) -> float:
    """A machine that waits for memory."""
    return 1.0 + 0.05 * drafts


def decode(speculator: AdaptiveSpeculator, sequence: Sequence, text: list[int], cost: CostOfStep) -> float:
    """The seconds that it takes to write ``text``, one step after the other."""
    seconds, place = 0.0, 0
    speculator.read(sequence.request, 10**6)
    while place < len(text):
        (drafts,) = speculator.draft([sequence], [len(text) - place - 1], step_tokens=1, budget=500)
        assert len(drafts) < len(text) - place or not drafts
        accepted = 0
        while accepted < len(drafts) and drafts[accepted] == text[place + accepted]:
            accepted += 1
        append(sequence, *text[place : place + accepted + 1])
        place += accepted + 1
        if drafts:
            speculator.verified(sequence, drafted=len(drafts), accepted=accepted)
        speculator.timed(sequences=1, drafts=len(drafts), seconds=cost(len(drafts)))
        seconds += cost(len(drafts))
    return seconds


def random_text(length: int, letters: int) -> list[int]:
    return random.Random(letters).choices(range(letters), k=length)


@pytest.mark.parametrize("cost", [steep, with_a_step, flat])
@pytest.mark.parametrize("letters", [3, 30, 3000])
def test_text_that_nobody_can_guess_is_hardly_slower(cost: CostOfStep, letters: int) -> None:
    prompt, text = random_text(300, letters), random_text(1500, letters)[300:]
    assert decode(AdaptiveSpeculator(16), sequence_of(prompt), text, cost) <= 1.03 * len(text)


@pytest.mark.parametrize(("cost", "gain"), [(with_a_step, 3.5), (flat, 6.0)])
def test_a_quotation_is_fast(cost: CostOfStep, gain: float) -> None:
    prompt = random_text(600, 500)
    assert decode(AdaptiveSpeculator(16), sequence_of(prompt), prompt[100:500], cost) < 400 / gain


def test_an_edit_with_a_change_every_dozen_tokens_is_faster() -> None:
    prompt = random_text(600, 500)
    text = [7777 if place % 12 == 5 else token for place, token in enumerate(prompt[50:550])]
    assert decode(AdaptiveSpeculator(16), sequence_of(prompt), text, with_a_step) < 500 / 1.5
    assert decode(AdaptiveSpeculator(16), sequence_of(prompt), text, flat) < 500 / 2


def test_where_drafts_never_pay_that_is_soon_known() -> None:
    speculator = AdaptiveSpeculator(16)
    prompt = random_text(900, 500)
    decode(speculator, sequence_of(prompt), prompt[50:850], steep)
    assert decode(speculator, sequence_of(prompt), prompt[50:850], steep) <= 1.03 * 800


def test_a_prompt_of_one_token_repeated() -> None:
    assert decode(AdaptiveSpeculator(16), sequence_of([5] * 2000), [5] * 500, flat) < 500 / 6


def test_it_is_known_beforehand_whether_there_is_anything_to_guess() -> None:
    speculator, prompt = AdaptiveSpeculator(16), random_text(600, 500)
    quoting, novel, unwilling = sequence_of(prompt), sequence_of(prompt), sequence_of(prompt, speculation=False)
    assert not speculator.would_draft([quoting], [50], budget=500)  # nobody knows yet what a step costs
    decode(speculator, quoting, prompt[100:200], flat)
    decode(speculator, novel, list(range(1000, 1020)), flat)
    decode(speculator, unwilling, prompt[100:200], flat)
    for sequence in (quoting, novel, unwilling):
        asked = speculator.would_draft([sequence], [50], budget=500)
        assert asked == (sequence is quoting)
        assert asked == any(speculator.draft([sequence], [50], step_tokens=1, budget=500))


def test_a_request_may_do_without() -> None:
    speculator, sequence = AdaptiveSpeculator(16), sequence_of([1, 2, 3] * 50, speculation=False)
    assert decode(speculator, sequence, [1, 2, 3] * 30, flat) == 90


def test_no_more_drafts_than_allowed_in_all() -> None:
    speculator, sequence = AdaptiveSpeculator(5), sequence_of([4] * 200)
    decode(speculator, sequence, [4] * 100, flat)
    for room, budget, expected in [(100, 100, 5), (3, 100, 3), (100, 2, 2), (0, 100, 0), (100, 0, 0)]:
        append(sequence, 4)
        (drafts,) = speculator.draft([sequence], [room], step_tokens=1, budget=budget)
        assert drafts == [4] * expected


def test_no_drafts_in_a_step_that_computes_a_prompt() -> None:
    speculator, sequence = AdaptiveSpeculator(16), sequence_of([4] * 200)
    decode(speculator, sequence, [4] * 20, flat)
    assert speculator.draft([sequence], [50], step_tokens=65, budget=400) == [[]]
    assert speculator.draft([sequence], [50], step_tokens=1, budget=400) != [[]]


def test_nothing_is_tried_before_a_plain_step_was_measured() -> None:
    speculator, sequence = AdaptiveSpeculator(16), sequence_of([4] * 200)
    speculator.read(sequence.request, 1000)
    assert speculator.draft([sequence], [50], step_tokens=1, budget=400) == [[]]
    speculator.timed(sequences=1, drafts=0, seconds=1.0)
    assert speculator.draft([sequence], [50], step_tokens=1, budget=400) != [[]]


def test_sequences_that_are_guessed_well_get_the_drafts() -> None:
    speculator = AdaptiveSpeculator(16)
    quoting, rambling = sequence_of(list(range(200))), sequence_of([1, 2] * 100)
    for sequence in (quoting, rambling):
        speculator.read(sequence.request, 1000)
    chance = random.Random(2)
    place = 10
    for _ in range(40):
        drafts = speculator.draft([quoting, rambling], [50, 50], step_tokens=2, budget=500)
        append(quoting, place)
        append(rambling, chance.randint(1, 2))
        for sequence, guesses in zip((quoting, rambling), drafts, strict=True):
            if guesses:
                right = guesses[0] == sequence.token_ids[-1]
                speculator.verified(sequence, drafted=1 if right else len(guesses), accepted=int(right))
        speculator.timed(sequences=2, drafts=sum(map(len, drafts)), seconds=1.0 + 0.2 * sum(map(len, drafts)))
        place += 1
    assert len(drafts[0]) > 4 * len(drafts[1])


CHANCES = st.lists(
    st.lists(st.floats(0, 1), max_size=4).map(lambda row: sorted(row, reverse=True)), min_size=1, max_size=4
)


@given(chances=CHANCES, prices=st.lists(st.floats(0, 0.6), min_size=20, max_size=20), budget=st.integers(0, 20))
def test_no_other_counts_would_have_been_better(chances: list[list[float]], prices: list[float], budget: int) -> None:
    def gain(counts: tuple[int, ...]) -> float:
        tokens = len(chances) + sum(sum(row[:count]) for row, count in zip(chances, counts, strict=True))
        return tokens / (1 + extra[sum(counts)])

    extra = [sum(prices[:drafts]) for drafts in range(len(prices))]
    extra[0] = 0.0
    counts = tuple(best_counts(chances, extra, budget))
    possible = [counts for counts in product(*(range(len(row) + 1) for row in chances)) if sum(counts) <= budget]
    assert counts in possible
    assert gain(counts) >= max(map(gain, possible)) / 1.021
