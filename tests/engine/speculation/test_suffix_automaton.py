"""The automaton against a search through all substrings."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.engine.speculation.suffix_automaton import NO_MATCH, SuffixAutomaton

TEXTS = st.integers(1, 4).flatmap(lambda letters: st.lists(st.integers(0, letters - 1), max_size=40))


def longest_suffix(text: list[int], inside: list[int]) -> tuple[int, int]:
    """Length of the longest suffix of ``text`` that ``inside`` contains, and where that ends for the first time."""
    for length in range(len(text), 0, -1):
        suffix = text[-length:]
        for end in range(length - 1, len(inside)):
            if inside[end - length + 1 : end + 1] == suffix:
                return length, end
    return 0, -1


@given(text=TEXTS)
def test_the_longest_suffix_that_occurred_before(text: list[int]) -> None:
    automaton = SuffixAutomaton()
    assert automaton.repeated_suffix() == NO_MATCH
    for place, token in enumerate(text):
        automaton.append(token)
        match = automaton.repeated_suffix()
        assert (match.length, automaton.first_end(match)) == longest_suffix(text[: place + 1], text[:place])
    assert automaton.text.tolist() == text
    assert automaton.states <= max(2 * len(text), 2)


@given(text=TEXTS, other=TEXTS)
def test_another_text_is_followed_through_it(text: list[int], other: list[int]) -> None:
    automaton = SuffixAutomaton()
    automaton.extend(text)
    match = NO_MATCH
    for place, token in enumerate(other):
        match = automaton.follow(match, token)
        assert (match.length, automaton.first_end(match)) == longest_suffix(other[: place + 1], text)


@pytest.mark.parametrize("letters", [1, 2, 50, 100_000])
def test_a_text_of_thirty_thousand_tokens(letters: int) -> None:
    chance = random.Random(letters)
    text = chance.choices(range(letters), k=30_000)
    automaton = SuffixAutomaton()
    automaton.extend(text)
    assert automaton.states <= 2 * len(text)
    for _ in range(20):
        start = chance.randrange(len(text) - 100)
        match = NO_MATCH
        for token in text[start : start + 50]:
            match = automaton.follow(match, token)
        assert match.length == 50
        end = automaton.first_end(match)
        assert text[end - 49 : end + 1] == text[start : start + 50]
