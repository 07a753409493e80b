"""`Alignment`: where an answer stands in a text that it copies with changes.

A changed word ends every match of the answer's last tokens with the text. What comes after the change is most likely
what came after the word that was changed, so the place is kept while a few tokens differ; and a word that was changed
once is most likely changed again.
"""

from collections.abc import Sequence

_SURE = 4  # tokens that agree before a place is taken for the one that is copied
_NEAR = 8  # tokens that may be left out
_MOST_EVIDENCE = 8  # tokens of agreement that count after a change


class Alignment:
    """Follows an answer token by token."""

    __slots__ = ("_astray", "_changes", "_new_change", "_place", "agreement")

    def __init__(self) -> None:
        self.agreement = 0  # how many tokens speak for the place; each new change takes half of them; 0: no place
        self._place = 0  # of the text's token that is expected next
        self._astray = False  # the last token was not the expected one
        self._changes: dict[int, int] = {}  # a token of the text -> what the answer last put for it
        self._new_change: tuple[int, int] | None = None  # one that counts if the answer goes on as expected

    def onwards(self, text: Sequence[int], most: int) -> list[int]:
        """What the answer goes on with if it stays the copy it is."""
        if self.agreement == 0:
            return []
        return [self._changes.get(token, token) for token in text[self._place : self._place + most]]

    def follow(self, text: Sequence[int], token: int, found: int, length: int) -> None:
        """One more token of the answer, whose last ``length`` tokens are also those before ``text[found]``."""
        expected = text[self._place] if self.agreement and self._place < len(text) else None
        if expected is not None and token in (expected, self._changes.get(expected)):
            if token == expected:
                self._changes.pop(expected, None)
            if self._new_change is not None:
                self._changes.update([self._new_change])
            self.agreement += 1
            self._go_to(self._place + 1)
        elif length >= _SURE:
            self.agreement = length
            self._go_to(found)
        elif expected is not None:
            self.agreement = min(self.agreement, _MOST_EVIDENCE) // 2
            self._change(text, expected, token)
        else:
            self.agreement = 0

    def _change(self, text: Sequence[int], expected: int, token: int) -> None:
        """Something was put for the expected token, or before it, or left out."""
        for skipped in range(self._place + 1, min(self._place + _NEAR, len(text))):
            if text[skipped] == token:
                return self._go_to(skipped + 1)
        if self._astray:
            self._new_change = None
        else:
            self._go_to(self._place + 1)
            self._astray, self._new_change = True, (expected, token)

    def _go_to(self, place: int) -> None:
        self._place, self._astray, self._new_change = place, False, None
