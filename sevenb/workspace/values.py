"""Values from outside, made fit for both databases or refused: text, names, JSON."""

import math
import time
import unicodedata
import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from sevenb.errors import InvalidRequest

MAX_JSON = 256 * 1024  # bytes of settings, preferences, details
MAX_DEPTH = 64
MAX_NAME = 100


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


def one_line(text: str, limit: int) -> str:
    """The text on one line, without control characters, cut at ``limit`` characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in clean(text)).split())[:limit].rstrip()


def name_of(text: str, field: str = "name", limit: int = MAX_NAME) -> str:
    """A name of 1 to ``limit`` printable characters, or InvalidRequest."""
    name = unicodedata.normalize("NFC", text).strip()
    if not name or len(name) > limit or not name.isprintable():
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
