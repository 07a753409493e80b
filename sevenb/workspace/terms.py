"""Terms: what a text can be found by, the same for both databases.

Scripts that part words with spaces give words; Chinese, Japanese, Korean, Thai and their like give each pair of
neighbouring characters (and the last one alone), so that every piece of such a text is found without a dictionary.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.workspace.values import normal

MAX_CHARACTERS = 200_000  # of a text; what comes behind is not found
MAX_QUERY = 500  # characters
MAX_TERM = 64  # characters; what is longer was not typed by anybody
MAX_BYTES = 900_000  # of all terms of a text; PostgreSQL keeps no more than 1 MiB

# Thai, Lao, Myanmar, Khmer; kana, Han, Hangul, and Han beyond the basic plane.
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff"
    "\U00016f00-\U00018dff\U0001b000-\U0001b2ff\U00020000-\U0003ffff"
)
# Signs that belong to the letter before them: accents, vowel points, the vowels of India's scripts.
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed\u0900-\u0963\u0966-\u0dff"
LETTER = rf"(?![{_UNSPACED}_])[\w{_MARKS}]"  # a pattern: one character of a word
_LETTERS = re.compile(rf"[\w{_MARKS}]+")
_RUN = re.compile(rf"([{_UNSPACED}]+)|((?:{LETTER})+)")


@dataclass(frozen=True, slots=True)
class Piece:
    """A run of characters of a folded text that is found as a whole."""

    text: str
    spaced: bool


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for: all of ``terms``, of which those in ``beginnings`` need only begin a term."""

    pieces: Sequence[Piece]
    terms: Sequence[str]
    beginnings: Sequence[str]


def fold(text: str) -> str:
    """The text as it is compared: without regard to case, width and form."""
    if text.isascii():
        return text.lower()
    return "".join(map(_folded.__getitem__, normal("NFC", text)))


def fold_with_places(text: str) -> tuple[str, list[int]]:
    """The folded text, and for each of its characters the place of the character of ``text`` it comes from.

    ``text`` is in NFC.
    """
    folded = [_folded[character] for character in text]
    places = [place for place, characters in enumerate(folded) for _ in characters]
    return "".join(folded), places


def pieces_of(text: str) -> list[Piece]:
    """The runs of a text, folded, in their order."""
    pieces: list[Piece] = []
    for letters in _LETTERS.findall(fold(text[:MAX_CHARACTERS]).replace("_", " ")):
        if letters.isascii():
            pieces.append(Piece(letters, spaced=True))
        else:
            pieces += (Piece(match[0], spaced=match[1] is None) for match in _RUN.finditer(letters))
    return pieces


def terms_of(text: str) -> list[str]:
    """The distinct terms that the text is found by."""
    terms: dict[str, None] = {}
    for piece in pieces_of(text):
        if piece.spaced:
            terms[piece.text[:MAX_TERM]] = None
        else:
            terms.update(dict.fromkeys(map("".join, zip(piece.text, piece.text[1:], strict=False))))
            terms[piece.text[-1]] = None
    return _bounded(terms)


def query_of(text: str) -> Query:
    """Read what somebody typed; whatever is not a letter or a digit parts words and means nothing."""
    pieces = list(dict.fromkeys(pieces_of(text[:MAX_QUERY])))
    terms: list[str] = []
    beginnings: list[str] = []
    for place, piece in enumerate(pieces):
        if piece.spaced:
            (beginnings if place == len(pieces) - 1 else terms).append(piece.text[:MAX_TERM])
        elif len(piece.text) == 1:
            beginnings.append(piece.text)
        else:
            terms += map("".join, zip(piece.text, piece.text[1:], strict=False))
    return Query(pieces, list(dict.fromkeys(terms)), list(dict.fromkeys(beginnings)))


class _Folded(dict[str, str]):
    """Each character folded, once."""

    def __missing__(self, character: str) -> str:
        folded = self[character] = unicodedata.normalize("NFKC", character).casefold()
        return folded


_folded = _Folded()


def _bounded(terms: dict[str, None]) -> list[str]:
    if len(terms) * 4 * MAX_TERM < MAX_BYTES:
        return list(terms)
    kept, size = [], 0
    for term in terms:
        size += len(term.encode()) + 8
        if size > MAX_BYTES:
            break
        kept.append(term)
    return kept
