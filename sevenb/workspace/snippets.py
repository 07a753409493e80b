"""Snippets: the part of a text where somebody's words are, with the words marked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.workspace.terms import LETTER, MAX_TERM, Piece, fold_with_places
from sevenb.workspace.values import normal

BEGIN, END = "\u0002", "\u0003"
BEFORE, LENGTH = 40, 180  # characters of the text: before the first word, and all
_MOST_MARKS = 20

_SPACE = re.compile(r"\s+")
_MARKERS = str.maketrans({BEGIN: " ", END: " "})


@dataclass(frozen=True, slots=True)
class Snippet:
    """``as_typed``: the words stand side by side there, as somebody typed them."""

    text: str
    as_typed: bool


def snippet_of(text: str, pieces: Sequence[Piece]) -> Snippet | None:
    """The part of the text around the first of the pieces; None where one of them is not in the text."""
    text = _SPACE.sub(" ", normal("NFC", text).translate(_MARKERS))
    folded, places = fold_with_places(text)
    patterns = [_pattern(piece, last=place == len(pieces) - 1) for place, piece in enumerate(pieces)]
    found = [re.search(pattern, folded) for pattern in patterns]
    if any(match is None for match in found):
        return None
    together = re.search(r"\W*".join(patterns), folded) if len(patterns) > 1 else found[0]
    first = together.start() if together else min(match.start() for match in found if match)
    begin = _begin(text, places[first])
    end = min(begin + LENGTH, len(text))
    shown: list[str] = ["…"] if begin else []
    place = begin
    for start, stop in _marks(folded, places, patterns, begin, end):
        shown += (text[place:start], BEGIN, text[start:stop], END)
        place = stop
    shown += (text[place:end], "…" if end < len(text) else "")
    return Snippet("".join(shown).strip(), together is not None)


def _pattern(piece: Piece, last: bool) -> str:
    """What finds the piece in a folded text: pieces of unspaced scripts anywhere, words as a whole, the last begun."""
    found = re.escape(piece.text if not piece.spaced else piece.text[:MAX_TERM])
    if not piece.spaced:
        return found
    return f"(?<!{LETTER}){found}" + ("" if last or len(piece.text) >= MAX_TERM else f"(?!{LETTER})")


def _begin(text: str, first: int) -> int:
    """Where the snippet begins: some way before the first word, and not within another."""
    begin = max(0, first - BEFORE)
    space = text.find(" ", begin, first)
    return begin if begin == 0 or space < 0 else space + 1


def _marks(folded: str, places: list[int], patterns: Sequence[str], begin: int, end: int) -> list[tuple[int, int]]:
    """The places of words between ``begin`` and ``end`` of the text, none within another."""
    marks: list[tuple[int, int]] = []
    for match in re.finditer("|".join(patterns), folded):
        start, stop = places[match.start()], places[match.end() - 1] + 1
        if stop > end or len(marks) == _MOST_MARKS:
            break
        if start >= begin and (not marks or start >= marks[-1][1]):
            marks.append((start, stop))
    return marks
