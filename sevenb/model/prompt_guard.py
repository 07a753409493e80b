"""`PromptGuard`: special tokens that a user spells out stay text, whatever a chat template does with the user's words.

A template joins its own special tokens with words of strangers into one string, and in a string nobody sees who wrote
what. So every place in a stranger's text where a special token could begin or go on is broken by a *mark*: a character
that neither the texts nor the template contain. What still reads as a special token after rendering is the template's.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

from sevenb.errors import InvalidRequest
from sevenb.model.tokenizer import RenderedPrompt, Tokenizer

# Characters that mean nothing to anyone: "noncharacters" for internal use first, then those for private use.
_MARKS = (range(0xFDD0, 0xFDF0), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))


class PromptGuard:
    """Marks strangers' text before a template is rendered, and reads the result.

    ``words`` are the strings a template compares with: they stay whole where no special token can begin in them, so
    that a test such as ``message.role == "user"`` or ``"</think>" in content`` holds as the author meant it.
    """

    def __init__(self, tokenizer: Tokenizer, words: Iterable[str]) -> None:
        self._split = tokenizer.split_special
        spellings = list(tokenizer.special_tokens)
        self._first = {spelling[0] for spelling in spellings}
        self._longest = max(map(len, spellings), default=0)
        self._endings = {spelling[cut:] for spelling in spellings for cut in range(1, len(spelling))}
        self._middles = "\0".join(spelling[1:-1] for spelling in spellings)

        def is_harmless(word: str) -> bool:
            tails = (word[i:] for i, character in enumerate(word) if character in self._first)
            return not any(tail.startswith(s) or s.startswith(tail) for tail in tails for s in spellings)

        self._words = frozenset(filter(is_harmless, words))
        tags = sorted((word for word in self._words if word[:1] in self._first), key=len, reverse=True)
        starts = "".join(map(re.escape, sorted(self._first)))
        self._breakable = re.compile("|".join([*map(re.escape, tags), f"([{starts}])"])) if starts else None

    def marker(self, texts: Iterable[str]) -> tuple[str, Callable[[str], str]]:
        """A mark that occurs in none of the texts, and the function that breaks special tokens with it."""
        used = set("".join(texts))
        mark = next((mark for mark in map(chr, chain(*_MARKS)) if mark not in used), None)
        if mark is None:
            raise InvalidRequest("The messages use every private character of Unicode; leave one out.", "messages")
        return mark, lambda text: self._break(text, mark)

    def read(self, text: str, mark: str) -> RenderedPrompt:
        """The rendered text with the marks gone and its special tokens told apart."""
        pieces: Iterator[str | int] = (
            piece if isinstance(piece, int) else piece.replace(mark, "") for piece in self._split(text)
        )
        return RenderedPrompt(text=text.replace(mark, ""), pieces=tuple(piece for piece in pieces if piece != ""))

    def _break(self, text: str, mark: str) -> str:
        if not text or self._breakable is None or (text in self._words and text.isidentifier()):
            return text
        broken = self._breakable.sub(lambda found: found[0] + mark if found[1] else found[0], text)
        return mark + broken if self._may_continue(text) else broken

    def _may_continue(self, text: str) -> bool:
        """Whether a special token begun before this text could go on in it."""
        reach = range(1, min(len(text), self._longest) + 1)
        return any(text[:n] in self._endings for n in reach) or (len(text) < self._longest and text in self._middles)
