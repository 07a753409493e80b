"""The JSON in an answer: by itself, in a fence, or between sentences."""

import json
import re
from typing import Any

import msgspec

_FENCE = re.compile(r"```(?:json|JSON)?[ \t]*\n(.*?)\n?[ \t]*```", re.DOTALL)


class FoundJson(msgspec.Struct, frozen=True):
    """A value, and whether nothing but it (and perhaps a fence around it) was said."""

    value: Any
    alone: bool


def read_json(answer: str) -> FoundJson | None:
    """The whole answer, else its only fenced block, else the first object or array in it; None if there is none.

    ``NaN`` and infinities are no JSON, and an object that names a key twice has no one meaning: neither is read.
    """
    text = answer.strip()
    fences: list[str] = _FENCE.findall(text)
    if len(fences) == 1:
        whole = not _FENCE.sub("", text).strip()
        found = _parse(fences[0].strip())
        return FoundJson(found[0], whole and not found[1]) if found else None
    found = _parse(text)
    if found:
        return FoundJson(found[0], not found[1])
    start: int | None = 0
    while start is not None and (bracket := re.compile(r"[{\[]").search(text, start)):
        found = _parse(text[bracket.start() :])
        if found:
            return FoundJson(found[0], False)
        start = _closing(text, bracket.start())
    return None


def _closing(text: str, start: int) -> int | None:
    """Behind the bracket that closes the one at ``start``; None if it is never closed, and so was broken off."""
    depth = 0
    for bracket in re.compile(r"[{}\[\]]").finditer(text, start):
        depth += 1 if bracket[0] in "{[" else -1
        if not depth:
            return bracket.end()
    return None


def _parse(text: str) -> tuple[Any, str] | None:
    """The value at the beginning of ``text``, and what follows it."""
    decoder = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse)
    try:
        value, end = decoder.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value, text[end:].strip()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key stands twice")
    return made


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")
