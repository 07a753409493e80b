"""Regular expressions of JSON Schema and Python in the notation of the automaton that matches them."""

import re

_PAIR = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_SET_NOTATION = "[&~"
"""What means nothing in a character class elsewhere, but nests and intersects classes there."""


def automaton_pattern(pattern: str) -> str:
    """What ECMA 262 and Python read in a regular expression, written for Rust's regex crate.

    What that has no notation for is left as it is, to be refused.
    """
    pattern = _PAIR.sub(_joined, pattern)
    written: list[str] = []
    in_class = False
    at = 0
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            written.append(pattern[at : at + 2])
            at += 2
            continue
        if in_class:
            in_class = char != "]"
            written.append("\\" + char if char in _SET_NOTATION else char)
        elif pattern.startswith("[^]", at):
            written.append(r"[\s\S]")
            at += 2
        else:
            in_class = char == "["
            written.append(char)
            if in_class and pattern.startswith("^", at + 1):
                written.append("^")
                at += 1
        at += 1
    return "".join(written)


def _joined(pair: re.Match[str]) -> str:
    """One character that a regular expression names by the halves of its UTF-16 form."""
    code = 0x10000 + ((int(pair[1], 16) - 0xD800) << 10) + int(pair[2], 16) - 0xDC00
    return rf"\u{{{code:X}}}"
