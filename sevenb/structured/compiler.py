"""Grammars at work on a vocabulary: which tokens may come next. Runs in the engine's process."""

from collections.abc import Callable, Collection, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray


class GrammarCompiler:
    """Compiles grammars for one vocabulary. Thread-safe."""

    def __init__(
        self,
        tokens: Sequence[bytes],
        *,
        special: Collection[int],
        end_ids: Collection[int],
        encode: Callable[[str], list[int]] | None = None,
        vocab_size: int | None = None,
    ) -> None:
        raise NotImplementedError

    def compile(self, grammar: str) -> "Matcher":
        """A fresh matcher at the grammar's start; raises `InvalidRequest` for a grammar that is malformed or too large."""
        raise NotImplementedError


class Matcher:
    """One answer's place in its grammar."""

    def copy(self) -> Self:
        """Another matcher at the same place."""
        raise NotImplementedError

    def forced(self) -> list[int]:
        """The tokens that must come next, as far as there is no choice; perhaps none."""
        raise NotImplementedError

    def valid(self, tokens: Sequence[int]) -> int:
        """How many of these tokens, from the first on, the grammar would take."""
        raise NotImplementedError

    def accept(self, tokens: Sequence[int]) -> None:
        """Go on past tokens that were generated; one the grammar does not allow raises `SevenbError`."""
        raise NotImplementedError

    @property
    def accepting(self) -> bool:
        """Whether the answer may end here."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """Whether the answer must end here: nothing but an end token may follow."""
        raise NotImplementedError


def fill_masks(matchers: Sequence[tuple[Matcher, Sequence[int]]], into: NDArray[np.uint32]) -> None:
    """Write which tokens may come next, and after each draft token, as bits.

    For each matcher 1 + len(drafts) rows of ``into`` [rows, ceil(vocabulary / 32)], in order. Runs in parallel without
    the GIL. Matchers do not move.
    """
    raise NotImplementedError
