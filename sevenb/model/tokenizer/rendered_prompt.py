"""`RenderedPrompt`: a chat as the model will read it, its special tokens told apart from mere text."""

from dataclasses import dataclass


@dataclass(frozen=True)
class RenderedPrompt:
    """What a chat template wrote.

    ``text`` is the whole prompt as a person reads it. ``pieces`` is the same prompt in parts: an ``int`` is a special
    token that the template itself wrote, a ``str`` is plain text, where a spelled-out special token is only characters.
    """

    text: str
    pieces: tuple[str | int, ...]
