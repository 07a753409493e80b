"""Scoring by a text, a number, a letter, or words that an answer must hold."""

import re
from typing import Any

from sevenb.lab.tasks.choice.letters import LETTERS, flexible_letter, strict_letter
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.maths.quantities import is_quantity, last_quantity, same_quantity
from sevenb.lab.tasks.own.items import Row
from sevenb.lab.tasks.own.scorer import Scorer, field_text
from sevenb.lab.tasks.task import Score

_STATED = re.compile(r"(?:final answer|answer|答案|正确选项)\s*+(?:is|是|为)?\s*+[:：]?\s*+(.+)", re.IGNORECASE)
_EDGES = " \t\r\n.。!！\"'“”‘’`*"


class Exact(Scorer):
    """The answer is this text."""

    told = (
        "strict: the whole answer equals the expected text; flexible: so does its last line, or what it calls the "
        "answer"
    )

    def expected(self, row: Row) -> Any:
        """The text."""
        return field_text(row, self.description.answer)

    def score(self, text: str, expected: Any) -> Score:
        """Compare; flexibly without case, quotation marks, emphasis and full stop."""
        whole = text.strip()
        lines = [line.strip() for line in whole.splitlines() if line.strip()]
        candidates = [whole, *lines[-1:], *(found.strip() for found in _STATED.findall(whole)[-1:])]
        strict = self._plain(whole) == self._plain(expected)
        flexible = any(_bare(candidate) == _bare(expected) for candidate in candidates)
        return Score(strict, strict or flexible, candidates[-1] if whole else None)

    def _plain(self, text: str) -> str:
        return text.strip().casefold() if self.description.ignore_case else text.strip()


class Number(Scorer):
    r"""The answer is this number."""

    told = r"strict: the answer, its last line or \boxed{} is the number; flexible: the last number in it"

    def expected(self, row: Row) -> Any:
        """The number, as it is written."""
        value = str(row.field(self.description.answer))
        if not is_quantity(value):
            raise row.wrong(f"the field {self.description.answer!r} is no number: {value!r:.60}")
        return value

    def score(self, text: str, expected: Any) -> Score:
        """Compare numbers, whatever the units around them."""
        last_line = (text.strip().splitlines() or [""])[-1]
        boxed = last_quantity(last_boxed(text) or "")
        alone = re.fullmatch(r"(?:\W*(?:final answer|answer|答案)\W*)?([-\d.,/$€£¥%\s]+)\W*", last_line, re.IGNORECASE)
        strict = boxed or (last_quantity(alone[1]) if alone else None)
        flexible = strict or last_quantity(text)
        return Score(same_quantity(strict, expected), same_quantity(flexible, expected), flexible)


class Choice(Scorer):
    """The answer chooses one of the item's choices, by letter."""

    told = (
        'strict: the answer is the letter alone, or its last line "Answer: X"; flexible: the letter that is called the '
        "answer, else the first that stands alone, else the choice whose text is there"
    )

    def expected(self, row: Row) -> Any:
        """The letter and all choices; the field holds a letter or the text of a choice."""
        choices = row.field(self.description.choices)
        if not isinstance(choices, list) or not 2 <= len(choices) <= len(LETTERS):
            raise row.wrong(f"the field {self.description.choices!r} must be a list of 2 to 26 choices")
        choices = [str(choice) for choice in choices]
        answer = field_text(row, self.description.answer)
        letters = LETTERS[: len(choices)]
        if len(answer) == 1 and answer.upper() in letters:
            letter = answer.upper()
        elif answer in choices:
            letter = letters[choices.index(answer)]
        else:
            raise row.wrong(
                f"the field {self.description.answer!r} is {answer!r:.60}, neither a letter from A to {letters[-1]} "
                "nor one of the choices"
            )
        return {"letter": letter, "choices": choices}

    def score(self, text: str, expected: Any) -> Score:
        """Find the letter."""
        choices, right = expected["choices"], expected["letter"]
        bare = _bare(text).upper()
        strict = bare if bare and bare in LETTERS[: len(choices)] else strict_letter(text, len(choices))
        found = strict or flexible_letter(text, choices)
        return Score(strict == right, found == right, found)

    def shown(self, expected: Any) -> str:
        """In the form that counts as strict."""
        return f"Answer: {expected['letter']}"


class Contains(Scorer):
    """The answer contains this text, or each text of a list."""

    told = "strict: every expected text is in the answer as it is written; flexible: in small or capital letters"

    def expected(self, row: Row) -> Any:
        """All texts."""
        value = row.field(self.description.answer)
        texts = [str(text) for text in (value if isinstance(value, list) else [value])]
        if not texts or not all(texts):
            raise row.wrong(f"the field {self.description.answer!r} is empty")
        return texts

    def score(self, text: str, expected: Any) -> Score:
        """Look for each; the note says which are missing."""
        small = text.casefold()
        missing = [part for part in expected if part.casefold() not in small]
        strict = not missing and (self.description.ignore_case or all(part in text for part in expected))
        note = f"missing: {', '.join(missing)}"[:200] if missing else ""
        return Score(strict, not missing, text.strip()[:200] or None, note)

    def shown(self, expected: Any) -> str:
        """In the form that counts as strict."""
        return "\n".join(expected)


def _bare(text: str) -> str:
    return " ".join(text.strip(_EDGES).casefold().split())
