"""What is guessed from prompts and answers that repeat themselves."""

import random

import pytest

from sevenb.engine.speculation.prompt_lookup import NOTHING, PromptLookup, Proposal
from tests.engine.speculation.requests import append, sequence_of

A_LOT = 10**6


def test_an_answer_that_quotes_the_prompt_goes_on_quoting() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1, 2, 3, 4, 5, 6, 7, 8, 9])
    lookup.read(sequence.request, A_LOT)
    append(sequence, 50, 3, 4)
    assert lookup.propose(sequence, 3) == Proposal([5, 6, 7], 2)
    append(sequence, 5, 6)
    assert lookup.propose(sequence, 8) == Proposal([7, 8, 9, 50, 3, 4, 5, 6], 4)  # after the prompt comes the answer
    append(sequence, 51, 52)
    assert lookup.propose(sequence, 8) == Proposal([8, 9], 1)  # 51 or 52 was put for 7
    append(sequence, 53, 54)
    assert lookup.propose(sequence, 8) == NOTHING


def test_the_end_of_a_prompt_may_be_in_it_twice() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1, 2, 3, 4, 1, 2])
    lookup.read(sequence.request, A_LOT)
    assert lookup.propose(sequence, 2) == Proposal([3, 4], 2)


def test_an_answer_that_repeats_itself_goes_on_in_its_loop() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1])
    append(sequence, 7, 8, 9, 7, 8, 9, 7)
    assert lookup.propose(sequence, 8) == Proposal([8, 9, 7, 8, 9, 7, 8, 9], 4)


def test_the_longer_agreement_wins() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1, 2, 3, 4, 5])
    lookup.read(sequence.request, A_LOT)
    append(sequence, 9, 3, 30, 2, 3)
    assert lookup.propose(sequence, 1) == Proposal([4], 2)
    append(sequence, 30, 9, 3)
    assert lookup.propose(sequence, 2) == Proposal([30, 2], 2)


def test_a_prompt_is_read_bit_by_bit_and_used_when_that_is_done() -> None:
    prompt = list(range(100))
    lookup, sequence = PromptLookup(), sequence_of(prompt)
    append(sequence, 40, 41)
    for _ in range(3):
        lookup.read(sequence.request, 30)
        assert lookup.propose(sequence, 4) == NOTHING
        append(sequence, sequence.token_ids[-1] + 1)
    lookup.read(sequence.request, 30)
    assert lookup.propose(sequence, 2) == Proposal([45, 46], 5)


def test_answers_to_the_same_prompt_go_their_own_ways() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1, 2, 3, 4, 5], n=2)
    lookup.read(sequence.request, A_LOT)
    sibling = sequence.fork(1)
    append(sequence, 2)
    append(sibling, 9, 4)
    assert lookup.propose(sequence, 1) == Proposal([3], 1)
    assert lookup.propose(sibling, 1) == Proposal([5], 1)


TEXT = list(range(100, 140))  # no token twice


def after_changes(*answer: int) -> Proposal:
    """What is guessed after an answer to a prompt that is TEXT."""
    lookup, sequence = PromptLookup(), sequence_of(TEXT)
    lookup.read(sequence.request, A_LOT)
    append(sequence, *answer)
    return lookup.propose(sequence, 3)


def test_a_copy_goes_on_after_a_word_that_was_changed() -> None:
    assert after_changes(*TEXT[:8], 50) == Proposal(TEXT[9:12], 4)
    assert after_changes(*TEXT[:8], 50, *TEXT[9:11]) == Proposal(TEXT[11:14], 6)


def test_a_copy_goes_on_after_words_that_were_put_in_or_left_out() -> None:
    assert after_changes(*TEXT[:8], 50, 51) == Proposal(TEXT[9:12], 2)
    assert after_changes(*TEXT[:8], 50, TEXT[8]) == Proposal(TEXT[9:12], 2)
    assert after_changes(*TEXT[:8], TEXT[12]) == Proposal(TEXT[13:16], 4)


def test_a_word_that_was_changed_once_is_guessed_changed_until_it_is_copied() -> None:
    twice = [*TEXT[:6], 77, *TEXT[6:12], 77, *TEXT[12:]]
    lookup, sequence = PromptLookup(), sequence_of(twice)
    lookup.read(sequence.request, A_LOT)
    append(sequence, *twice[:6], 50, *twice[7:11])
    assert lookup.propose(sequence, 4) == Proposal([*twice[11:13], 50, twice[14]], 7)
    append(sequence, *twice[11:13], 50, *twice[14:16])
    assert lookup.propose(sequence, 2) == Proposal(twice[16:18], 12)  # the second change took no evidence


def test_a_copy_is_given_up_after_many_changes() -> None:
    assert after_changes(*TEXT[:8], 50, 51, 52, 53) == NOTHING
    assert after_changes(*TEXT[:3], 50) == NOTHING  # too short to be called a copy


def test_nothing_remains_of_a_request_that_is_over() -> None:
    lookup, sequence = PromptLookup(), sequence_of([1, 2, 3])
    lookup.read(sequence.request, A_LOT)
    append(sequence, 2)
    assert lookup.propose(sequence, 1).tokens == [3]
    lookup.forget(sequence.request)
    assert lookup.propose(sequence, 1) == NOTHING


@pytest.mark.parametrize("letters", [1, 2, 3, 100])
def test_a_guess_stands_where_the_end_of_the_text_stood_before_unless_something_was_changed(letters: int) -> None:
    chance = random.Random(letters)
    prompt = chance.choices(range(letters), k=200)
    lookup, sequence = PromptLookup(), sequence_of(prompt)
    lookup.read(sequence.request, A_LOT)
    for _ in range(100):
        tokens, agreement = lookup.propose(sequence, 5)
        assert bool(tokens) == bool(agreement)
        text = ",".join(map(str, sequence.token_ids)) + ","
        end = ",".join(map(str, sequence.token_ids[-agreement:])) + ","
        if tokens and text.index(end) < len(text) - len(end):
            assert len(tokens) == 5
            assert f"{end}{tokens[0]}," in text
        append(sequence, chance.randrange(letters))
