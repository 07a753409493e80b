"""`Guide`: how a grammar leads one sequence: which tokens may come, and which must."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sevenb.structured.compiler import Matcher


class Guide:
    """A sequence's place in the grammar that governs its whole answer."""

    def __init__(self, matcher: "Matcher") -> None:
        """``matcher`` is the sequence's own from now on."""
        self.matcher = matcher
        self._in_doubt = False  # about the tokens that seem forced

    def copy(self) -> "Guide":
        """For another sequence at the same place."""
        return Guide(self.matcher.copy())

    @property
    def ended(self) -> bool:
        """Whether the answer is complete: nothing may follow."""
        return self.matcher.finished

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as the grammar leaves no choice."""
        return [] if self._in_doubt else self.matcher.forced()

    def closing(self) -> list[int]:
        """`forced`, if the answer is complete with it."""
        forced = self.forced()
        if not forced:
            return []
        ahead = self.matcher.copy()
        ahead.accept(forced)
        return forced if ahead.finished else []

    def doubt(self) -> None:
        """The first of `forced` is not the only token that may come: let a mask choose it."""
        self._in_doubt = True

    def possible(self, guesses: list[int]) -> list[int]:
        """The guesses up to the first that cannot come."""
        return guesses[: self.matcher.valid(guesses)]

    def accept(self, token_id: int) -> None:
        """A token was generated. Raises `SevenbError` for one that cannot come."""
        self._in_doubt = False
        self.matcher.accept([token_id])
