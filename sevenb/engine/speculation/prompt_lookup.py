"""`PromptLookup`: guesses that a sequence goes on as its own prompt or answer went on at an earlier place.

As in A. Saxena, "Prompt lookup decoding" (2023); the places are found by suffix automata, as in Hu et al., "SAM
decoding: speculative decoding via suffix automaton" (2024, arXiv 2411.10666). Where the answer copies the prompt with
changes, it is followed beyond them.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence
from sevenb.engine.speculation.alignment import Alignment
from sevenb.engine.speculation.suffix_automaton import NO_MATCH, Match, SuffixAutomaton

LONGEST_PROMPT = 1 << 17  # tokens; of a longer one only the beginning is looked at


class Proposal(NamedTuple):
    """Guessed tokens, and how many tokens before the first of them speak for the place where they were found."""

    tokens: list[int]
    agreement: int


NOTHING = Proposal([], 0)


@dataclass(slots=True)
class _Answer:
    """One sequence's output so far, and where its end is found in the prompt."""

    text: SuffixAutomaton = field(default_factory=SuffixAutomaton)
    place: Match | None = None  # None while the prompt is not read to its end
    alignment: Alignment = field(default_factory=Alignment)  # with the prompt
    followed: int = 0  # output tokens that ``place`` has seen


@dataclass(slots=True)
class _Texts:
    """The texts of one request: its answers share the prompt."""

    prompt: SuffixAutomaton = field(default_factory=SuffixAutomaton)
    answers: dict[Sequence, _Answer] = field(default_factory=dict)


class PromptLookup:
    """Finds the longest end of each sequence that occurred before, in the prompt or in the answer."""

    def __init__(self) -> None:
        self._texts: dict[Request, _Texts] = {}

    def read(self, request: Request, tokens: int) -> None:
        """Index up to so many more tokens of a prompt."""
        prompt = self._texts_of(request).prompt
        prompt.extend(request.prompt_token_ids[len(prompt) : min(len(prompt) + tokens, LONGEST_PROMPT)])

    def propose(self, sequence: Sequence, most: int) -> Proposal:
        """Up to ``most`` tokens that may come next."""
        texts = self._texts_of(sequence.request)
        answer = texts.answers.get(sequence)
        if answer is None:
            answer = texts.answers[sequence] = _Answer()
        self._follow(sequence, texts.prompt, answer)
        prompt, output = texts.prompt, answer.text
        in_prompt, in_output = answer.place or NO_MATCH, output.repeated_suffix()
        aligned = answer.alignment.agreement
        if aligned > max(in_output.length, in_prompt.length) and (
            tokens := answer.alignment.onwards(prompt.text, most)
        ):
            return Proposal(tokens, aligned)
        if in_output.length >= in_prompt.length:
            tokens, agreement = _onwards(output, in_output, most), in_output.length
        else:
            tokens, agreement = _onwards(prompt, in_prompt, most), in_prompt.length
            if len(prompt) == sequence.prompt_length:
                tokens += output.text[: most - len(tokens)]  # the answer follows the prompt
        period = len(tokens)
        while 0 < len(tokens) < most:  # the texts end here: what comes now has just been guessed
            tokens.append(tokens[-period])
        return Proposal(tokens, agreement)

    def forget(self, request: Request) -> None:
        """Drop what is known of a request."""
        self._texts.pop(request, None)

    def _texts_of(self, request: Request) -> _Texts:
        texts = self._texts.get(request)
        if texts is None:
            texts = self._texts[request] = _Texts()
        return texts

    @staticmethod
    def _follow(sequence: Sequence, prompt: SuffixAutomaton, answer: _Answer) -> None:
        """Take in the output since the last time."""
        tokens = sequence.token_ids
        answer.text.extend(tokens[sequence.prompt_length + len(answer.text) :])
        if answer.place is None:
            if len(prompt) < min(sequence.prompt_length, LONGEST_PROMPT):
                return
            answer.place = prompt.repeated_suffix() if len(prompt) == sequence.prompt_length else NO_MATCH
        for token in tokens[sequence.prompt_length + answer.followed :]:
            answer.place = prompt.follow(answer.place, token)
            answer.alignment.follow(prompt.text, token, prompt.first_end(answer.place) + 1, answer.place.length)
        answer.followed = sequence.output_length


def _onwards(automaton: SuffixAutomaton, match: Match, most: int) -> list[int]:
    """What follows a match in a text."""
    if match.length == 0:
        return []
    start = automaton.first_end(match) + 1
    return automaton.text[start : start + most].tolist()
