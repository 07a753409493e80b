"""`Constraint`: the grammar an answer must follow, as it travels from a dialect to the engine."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Constraint:
    """What an answer must look like, proven by a grammar and, where that cannot say it all, by a check at the end.

    ``grammar`` is llguidance's serialised form, as the engine's sampling parameters take it. ``check`` says what is
    wrong with a finished text, None if nothing is; it is None itself where the grammar is proof.
    """

    grammar: str
    check: Callable[[str], str | None] | None = None
