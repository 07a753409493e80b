"""`Speculator`: whoever guesses the next tokens of sequences."""

from collections.abc import Sequence as Listed
from typing import Protocol

from sevenb.engine.request import Request
from sevenb.engine.sequence import Sequence


class Speculator(Protocol):
    """Guesses ahead for the sequences that decode; the scheduler asks it once in every step.

    The engine tells it what came of its guesses and how long steps took, and when a request is over.
    """

    def draft(
        self, sequences: Listed[Sequence], rooms: Listed[int], *, step_tokens: int, budget: int
    ) -> list[list[int]]:
        """Guesses for each sequence: at most its room, all together at most ``budget``.

        ``step_tokens`` is what the step computes in any case. No guesses are an answer, too: a draft costs time
        whether it is right or not.
        """
        ...

    def would_draft(self, sequences: Listed[Sequence], rooms: Listed[int], *, budget: int) -> bool:
        """Whether it had guesses for a step of nothing but these, of which the last token or two are not known yet.

        Asked before a step is launched that none can be tried in; nothing comes of the answer but that.
        """
        ...

    def read(self, request: Request, tokens: int) -> None:
        """Take in up to so many more tokens of a request's prompt, as there is time for it now."""
        ...

    def verified(self, sequence: Sequence, *, drafted: int, accepted: int) -> None:
        """Of the guesses for a sequence so many were tried, and the first ``accepted`` of them right."""
        ...

    def timed(self, *, sequences: int, drafts: int, seconds: float) -> None:
        """A step that did nothing but decode took so long."""
        ...

    def forget(self, request: Request) -> None:
        """A request is over."""
        ...
