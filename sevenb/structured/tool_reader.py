"""`ToolReader`: finds the calls in an answer while it is written, wherever the text is cut into pieces."""

from collections.abc import Callable, Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text that is no call."""

    text: str


@dataclass(frozen=True, slots=True)
class CallStarted:
    """The model calls a tool; ``call`` counts an answer's calls from 0. The arguments follow."""

    call: int
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class ArgumentsPart:
    """Some more of a call's arguments, as the model writes them: JSON."""

    call: int
    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """A call is whole. One that is cut off has no end."""

    call: int


ToolEvent = TextPart | CallStarted | ArgumentsPart | CallEnded


class ToolReader:
    """An incremental state machine over one answer's text, in which special tokens are spelled out."""

    def __init__(self, names: Collection[str], new_id: Callable[[], str]) -> None:
        raise NotImplementedError

    def feed(self, text: str) -> list[ToolEvent]:
        """What some more text brings. However a text is cut, the joined result is the same."""
        raise NotImplementedError

    def finish(self) -> list[ToolEvent]:
        """What was held back, now that no more comes: what did not become a call is text."""
        raise NotImplementedError
