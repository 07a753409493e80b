"""Values from outside, made fit for both databases or refused: text, names, JSON."""

import math
import time
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from sevenb.errors import InvalidRequest

MAX_JSON = 256 * 1024  # bytes of settings, preferences, details
MAX_DEPTH = 64
MAX_NAME = 100

_PIECE = 1000  # characters that are normalized at once
_JOINERS = "\u200c\u200d"  # no sign of their own, but part of Persian words and of emoji such as families
_NO_JOINERS = str.maketrans("", "", _JOINERS)


def new_id() -> str:
    """An id that nobody can guess."""
    return uuid.uuid4().hex


def now() -> float:
    """Unix seconds."""
    return time.time()


def clean(text: str) -> str:
    """Replace what no database keeps: NUL and halves of surrogate pairs."""
    text = text.replace("\0", "\ufffd")
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in this form of Unicode, in a time that grows with its length alone.

    Accents behind one another are put into their order by comparing each with all: a million of them, which no
    language has, would keep the whole server for hours. Behind `_PIECE` characters they are ordered anew.
    """
    if len(text) <= _PIECE or text.isascii():
        return unicodedata.normalize(form, text)
    pieces: list[str] = []
    begin = 0
    while begin < len(text):
        end = begin + _PIECE
        place = next((place for place in range(end, end - _PIECE // 2, -1) if _parts(text[place : place + 1])), end)
        pieces.append(unicodedata.normalize(form, text[begin:place]))
        begin = place
    return "".join(pieces)


def _parts(character: str) -> bool:
    """Whether a text can be cut before this character: it never becomes one with what precedes it."""
    if not character:
        return True
    jamo = "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7ff"
    return not jamo and not unicodedata.category(character).startswith("M") and not unicodedata.combining(character)


def one_line(text: str, limit: int) -> str:
    """The text on one line, without control characters, cut at ``limit`` characters."""
    shown = "".join(c if c.isprintable() or c in _JOINERS else " " for c in clean(text))
    return " ".join(shown.split())[:limit].rstrip()


def name_of(text: str, field: str = "name", limit: int = MAX_NAME, *, joiners: bool = True) -> str:
    """A name of 1 to ``limit`` printable characters, or InvalidRequest. ``joiners``: emoji may be made of several."""
    name = unicodedata.normalize("NFC", text[:_PIECE]).strip()
    shown = name.translate(_NO_JOINERS) if joiners else name
    if not shown or len(text) > _PIECE or len(name) > limit or not shown.isprintable():
        raise InvalidRequest(f"A {field} has 1 to {limit} printable characters; choose another one.", field)
    return name


def json_object(value: Mapping[str, Any], field: str) -> dict[str, Any]:
    """A JSON object that both databases keep, not larger or deeper than anybody needs, or InvalidRequest."""
    try:
        cleaned = _clean_json(dict(value), MAX_DEPTH)
        size = len(msgspec.json.encode(cleaned))
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise InvalidRequest(f"{field} cannot be kept as JSON: {error}.", field) from error
    if size > MAX_JSON:
        raise InvalidRequest(f"{field} has {size} bytes; at most {MAX_JSON} can be kept.", field)
    assert isinstance(cleaned, dict)
    return cleaned


def _clean_json(value: Any, depth: int) -> Any:
    if depth == 0:
        raise ValueError(f"it is nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            return clean(value)
        case float() if not math.isfinite(value):
            raise ValueError("a number in it is not finite")
        case int() if abs(value) >= 2**63:
            raise ValueError("a number in it is too large")
        case None | bool() | int() | float():
            return value
        case Mapping():
            return {clean(str(name)): _clean_json(part, depth - 1) for name, part in value.items()}
        case list() | tuple():
            return [_clean_json(part, depth - 1) for part in value]
    raise TypeError(f"a {type(value).__name__} is no JSON")
