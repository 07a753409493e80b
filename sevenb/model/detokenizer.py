"""Token ids back to text while they arrive: whole characters only, and never a part of a stop string."""

import codecs
from collections.abc import Iterable

from sevenb.model.tokenizer import Tokenizer


class IncrementalDetokenizer:
    """Turns one sequence's tokens into text as they come; each token costs the same, however long the text is.

    The text continues a prompt, so a leading space is kept. The pieces joined are the decoded bytes of all tokens, with
    U+FFFD for what is not UTF-8 and without a character whose end has not come.
    """

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool = True) -> None:
        self._token_bytes = tokenizer.token_bytes
        self._skipped = tokenizer.special_ids if skip_special_tokens else frozenset[int]()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def add(self, token_id: int) -> str:
        """The text this token makes certain; a character's first bytes are held back until the rest comes."""
        if token_id in self._skipped:
            return ""
        return self._decoder.decode(self._token_bytes(token_id))


class StopStrings:
    """Watches a text that comes in pieces for the first of several stop strings.

    The stop string that is complete first wins, the longest if several end together: a matter of the text alone, not of
    how it was cut. Text that may yet become a stop string is held back. Each character costs a step per stop string,
    whatever their lengths (Knuth, Morris & Pratt 1977).
    """

    def __init__(self, stops: Iterable[str], include: bool = False) -> None:
        """``include`` makes the stop string itself part of the text."""
        self.found: str | None = None
        self._searches = [_Search(stop) for stop in stops]
        self._include = include
        self._held = ""

    def add(self, text: str) -> str:
        """The text that is now safe to show; ``found`` then tells whether, and by which stop string, it has ended.

        What follows a stop string is dropped.
        """
        if self.found is not None:
            return ""
        seen = self._held + text
        for end, character in enumerate(text, start=len(self._held) + 1):
            complete = [search.stop for search in self._searches if search.advance(character)]
            if complete:
                self.found = max(complete, key=len)
                self._held = ""
                return seen[: end if self._include else end - len(self.found)]
        held = max((search.matched for search in self._searches), default=0)
        self._held = seen[len(seen) - held :]
        return seen[: len(seen) - held]

    def finish(self) -> str:
        """The text that was held back, once it is certain that no more follows."""
        rest, self._held = self._held, ""
        return rest


class _Search:
    """How much of one stop string the text so far ends with."""

    def __init__(self, stop: str) -> None:
        self.stop = stop
        self.matched = 0
        # _fallback[i]: the longest proper prefix of stop that stop[: i + 1] ends with.
        self._fallback = [0] * len(stop)
        length = 0
        for i in range(1, len(stop)):
            while length and stop[i] != stop[length]:
                length = self._fallback[length - 1]
            length += stop[i] == stop[length]
            self._fallback[i] = length

    def advance(self, character: str) -> bool:
        """Take one more character of text; True once the stop string is complete."""
        while self.matched and self.stop[self.matched] != character:
            self.matched = self._fallback[self.matched - 1]
        self.matched += self.stop[self.matched] == character
        return self.matched == len(self.stop)
