"""Finds which letter an answer to a multiple-choice question chooses."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


def strict_letter(text: str, choices: int = 4) -> str | None:
    """The letter of the last line, where this has the form that was asked for: "Answer: X" or "答案：X"."""
    lines = text.strip().splitlines()
    found = _patterns(LETTERS[choices - 1]).asked_for.fullmatch(lines[-1]) if lines else None
    return found[1] if found else None


def flexible_letter(text: str, choices: Sequence[str]) -> str | None:
    """The letter that is called the answer; else the first that stands alone; else that of the one choice named."""
    patterns = _patterns(LETTERS[len(choices) - 1])
    for statement in patterns.statements:
        if letters := statement.findall(text):
            return str(letters[-1]).upper()
    if found := patterns.line_start.search(text) or patterns.alone.search(text):
        return str(found[found.lastindex or 0])
    named = [letter for letter, choice in zip(LETTERS, choices, strict=False) if choice.strip() and choice in text]
    return named[0] if len(named) == 1 else None


@dataclass(frozen=True)
class _Patterns:
    """``statements``: from the plainest to the faintest; of several places the last counts, for models think first."""

    asked_for: re.Pattern[str]
    statements: tuple[re.Pattern[str], ...]
    line_start: re.Pattern[str]
    alone: re.Pattern[str]


@cache
def _patterns(last: str) -> _Patterns:
    """For the letters from A to ``last``."""
    one = f"[A-{last}]"
    letter = rf"[*_`\"'“(（【\[]*(?:\\boxed\{{)?(?:\\text\{{)?({one})(?![A-Za-z'’])"
    english = r"(?:answer|choice|option)\s*(?:is|would be|:|：)[\s:：]*+(?:option|choice)?\s*+"
    return _Patterns(
        asked_for=re.compile(rf"\W*(?:Answer|ANSWER|答案)\s*[:：]\W*({one})\W*"),
        statements=(
            re.compile(english + letter, re.IGNORECASE),
            re.compile(rf"(?:答案|正确选项|正确的选项|正确答案)[^A-Z\n。，]{{0,8}}?{letter}"),
            re.compile(rf"(?:故|应|应该|所以|因此|我)?选(?:择|项)?(?:是|为|：|:)?\s*{letter}"),
            re.compile(rf"\\boxed\{{(?:\\text\{{)?\(?({one})\b"),
            re.compile(rf"(?<![A-Za-z])({one})\s*+(?:选项)?\s*+(?:是正确|正确|is (?:the )?correct)"),
        ),
        line_start=re.compile(rf"^[^\w\n]*({one})(?:[.)、．:：）]|[^\w\n]*$)", re.MULTILINE),
        # "A" and "I" are also words.
        alone=re.compile(rf"(?<![A-Za-z'’])(?![AI]\s+[a-z])({one})(?![A-Za-z'’])"),
    )
