"""`Speculator`: whoever guesses the next tokens of sequences."""

from collections.abc import Sequence as Listed
from typing import Protocol

from sevenb.engine.sequence import Sequence


class Speculator(Protocol):
    """Guesses ahead for the sequences that decode; the scheduler asks it once in every step."""

    def draft(
        self, sequences: Listed[Sequence], rooms: Listed[int], *, step_tokens: int, budget: int
    ) -> list[list[int]]:
        """Guesses for each sequence: at most its room, all together at most ``budget``.

        ``step_tokens`` is what the step computes in any case. No guesses are an answer, too: a draft costs time
        whether it is right or not.
        """
        ...
