"""`SuffixAutomaton`: every substring of a growing text of tokens, and where each first ended.

After A. Blumer, J. Blumer, Haussler, Ehrenfeucht, Chen and Seiferas, "The smallest automaton recognizing the subwords
of a text" (1985). Appending a token takes amortised constant time; n tokens make at most 2n states.
"""

from array import array
from collections.abc import Iterable
from typing import NamedTuple

_ROOT = 0
_NONE = -1


class Match(NamedTuple):
    """A substring of a text, by its state and its length."""

    state: int
    length: int


NO_MATCH = Match(_ROOT, 0)


class SuffixAutomaton:
    """A state stands for substrings with the same set of end positions; its suffix link for the next shorter ones.

    Nearly every state has one transition alone, so that one is kept in an array: its token is the one that follows the
    state's first occurrence in the text. The rest lie in dictionaries of the few states that branch.
    """

    def __init__(self) -> None:
        self.text: array[int] = array("i")
        self._length = array("i", [0])  # of the longest substring of a state
        self._link = array("i", [_NONE])
        self._end = array("i", [-1])  # where the state's substrings end in the text for the first time
        self._forward = array("i", [_NONE])  # the state after token text[end + 1]
        self._branches: dict[int, dict[int, int]] = {}  # state -> token -> state, for all other tokens
        self._last = _ROOT

    def __len__(self) -> int:
        return len(self.text)

    @property
    def states(self) -> int:
        """How many states there are, the root included."""
        return len(self._length)

    def repeated_suffix(self) -> Match:
        """The longest suffix of the text that also ends somewhere before."""
        state = self._link[self._last]
        return NO_MATCH if state == _NONE else Match(state, self._length[state])

    def follow(self, match: Match, token: int) -> Match:
        """The longest suffix of a match and a token after it that is in the text: amortised constant time."""
        state, length = match
        while (target := self._target(state, token)) == _NONE:
            state = self._link[state]
            if state == _NONE:
                return NO_MATCH
            length = self._length[state]
        return Match(target, length + 1)

    def first_end(self, match: Match) -> int:
        """The position of the text where the match ends for the first time."""
        return self._end[match.state]

    def extend(self, tokens: Iterable[int]) -> None:
        """Append tokens to the text."""
        for token in tokens:
            self.append(token)

    def append(self, token: int) -> None:
        """Append one token to the text."""
        text, link, end, forward, branches = self.text, self._link, self._end, self._forward, self._branches
        text.append(token)
        new = self._new_state(len(text), _ROOT, len(text) - 1, _NONE)
        state, self._last = self._last, new
        while True:  # the suffixes of the old text, longest first, up to one that `token` has followed before
            if forward[state] == _NONE:
                forward[state] = new
            elif text[end[state] + 1] == token:
                target = forward[state]
                break
            else:
                branch = branches.get(state)
                if branch is None:
                    branches[state] = {token: new}
                elif token in branch:
                    target = branch[token]
                    break
                else:
                    branch[token] = new
            state = link[state]
            if state == _NONE:
                return
        shared_length = self._length[state] + 1
        if shared_length < self._length[target]:
            target = self._split(state, token, target, shared_length)
        link[new] = target

    def _target(self, state: int, token: int) -> int:
        forward = self._forward[state]
        if forward != _NONE and self.text[self._end[state] + 1] == token:
            return forward
        branch = self._branches.get(state)
        return _NONE if branch is None else branch.get(token, _NONE)

    def _split(self, state: int, token: int, target: int, length: int) -> int:
        """Part the substrings of ``target`` up to ``length`` from the longer ones, which do not end here."""
        link, end, forward, branches = self._link, self._end, self._forward, self._branches
        clone = self._new_state(length, link[target], end[target], forward[target])
        if target in branches:
            branches[clone] = branches[target].copy()
        link[target] = clone
        while state != _NONE:
            if self.text[end[state] + 1] == token:
                if forward[state] != target:
                    break
                forward[state] = clone
            else:
                branch = branches[state]
                if branch[token] != target:
                    break
                branch[token] = clone
            state = link[state]
        return clone

    def _new_state(self, length: int, link: int, end: int, forward: int) -> int:
        self._length.append(length)
        self._link.append(link)
        self._end.append(end)
        self._forward.append(forward)
        return len(self._length) - 1
