"""`Guide`: how a grammar leads one sequence: which tokens may come, which must, and where free text goes on."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sevenb.structured.compiler import Matcher


class Guide:
    """A sequence's place in its grammar.

    Without triggers the grammar governs the whole answer. With triggers the text is free until one of those tokens is
    generated; it is the first of the grammar, and once that is satisfied to its end, the text is free again.
    """

    def __init__(self, start: "Matcher", triggers: Collection[int] = ()) -> None:
        """``start`` stands at the grammar's beginning and stays there."""
        self._start = start
        self._triggers = frozenset(triggers)
        self._matcher = None if triggers else start.copy()
        self._in_doubt = False  # about the tokens that seem forced

    def copy(self) -> "Guide":
        """For another sequence at the same place."""
        twin = Guide(self._start, self._triggers)
        twin._matcher = None if self._matcher is None else self._matcher.copy()
        return twin

    @property
    def ended(self) -> bool:
        """Whether the answer is complete: nothing may follow."""
        return self._matcher is not None and self._matcher.finished

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as the grammar leaves no choice."""
        return [] if self._matcher is None or self._in_doubt else self._matcher.forced()

    def closing(self) -> list[int]:
        """`forced`, if the answer is complete with it."""
        forced = [] if self._triggers else self.forced()
        if not forced or self._matcher is None:
            return []
        ahead = self._matcher.copy()
        ahead.accept(forced)
        return forced if ahead.finished else []

    def doubt(self) -> None:
        """The first of `forced` is not the only token that may come: let a mask choose it."""
        self._in_doubt = True

    def possible(self, guesses: list[int]) -> list[int]:
        """The guesses up to the first that cannot come, or at which the grammar would set in."""
        if self._matcher is not None:
            return guesses[: self._matcher.valid(guesses)]
        return guesses[: next((place for place, token in enumerate(guesses) if token in self._triggers), None)]

    def masks(self, drafts: Sequence[int]) -> "tuple[Matcher, Sequence[int]] | None":
        """What to give to `fill_masks`, for the token that comes next and for that after each draft.

        None where the text is free. One draft is left out where the text is free behind the last.
        """
        if self._matcher is None:
            return None
        if self._triggers and drafts:
            ahead = self._matcher.copy()
            ahead.accept(drafts)
            if ahead.finished:
                drafts = drafts[:-1]
        return self._matcher, drafts

    def accept(self, token_id: int) -> None:
        """A token was generated. Raises `SevenbError` for one that cannot come."""
        self._in_doubt = False
        if self._matcher is None and token_id in self._triggers:
            self._matcher = self._start.copy()
        if self._matcher is not None:
            self._matcher.accept([token_id])
            if self._triggers and self._matcher.finished:
                self._matcher = None
