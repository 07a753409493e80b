r"""Reads what stands in ``\boxed{…}``, where models were taught to put their final answer."""

import re

_WORD = re.compile(r"[^\s$]+")
_BRACE = re.compile(r"(?<!\\)[{}]")


def last_boxed(text: str) -> str | None:
    r"""What the last closed ``\boxed{…}`` holds, braces matched; ``\boxed 5`` counts, too."""
    starts = _starts(text)
    closings = _closings(text) if starts else {}
    for start in reversed(starts):
        place = start
        while text[place : place + 1].isspace():
            place += 1
        if text[place : place + 1] == "{":
            if place in closings:
                return text[place + 1 : closings[place]].strip()
        elif word := _WORD.match(text, place):
            return word[0]
    return None


def _closings(text: str) -> dict[int, int]:
    """For each opening brace the place of the one that closes it, where there is one."""
    found: dict[int, int] = {}
    opened: list[int] = []
    for brace in _BRACE.finditer(text):
        if brace[0] == "{":
            opened.append(brace.start())
        elif opened:
            found[opened.pop()] = brace.start()
    return found


def _starts(text: str) -> list[int]:
    r"""The places behind each ``\boxed`` and ``\fbox``."""
    places = []
    for command in ("\\boxed", "\\fbox"):
        at = text.find(command)
        while at >= 0:
            places.append(at + len(command))
            at = text.find(command, at + 1)
    return sorted(places)
