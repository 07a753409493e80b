"""Scoring by a regular expression."""

import re
from typing import Any

from sevenb.lab.tasks.own.in_time import SECONDS, TOO_LONG, in_time
from sevenb.lab.tasks.own.items import Row
from sevenb.lab.tasks.own.scorer import Scorer, field_text
from sevenb.lab.tasks.task import Score

_MATCH = """
import re
pattern, text, flags = inputs
found = re.search(pattern, text, flags)
answer = [re.fullmatch(pattern, text.strip(), flags) is not None, found and found[0]]
"""


class Regex(Scorer):
    """The answer matches this pattern."""

    told = "strict: the whole answer matches the pattern; flexible: a part of it does"

    def expected(self, row: Row) -> Any:
        """The pattern."""
        pattern = field_text(row, self.description.answer)
        try:
            re.compile(pattern)
        except (re.error, RecursionError, OverflowError) as error:
            raise row.wrong(f"the field {self.description.answer!r} is no regular expression: {error}") from None
        return pattern

    def score(self, text: str, expected: Any) -> Score:
        """Match the whole answer, and any part of it."""
        flags = int(re.DOTALL | (re.IGNORECASE if self.description.ignore_case else 0))
        found = in_time(_MATCH, expected, text, flags)
        if found is TOO_LONG:
            return Score(False, False, None, f"the pattern took more than {SECONDS:g} s")
        whole, part = found
        return Score(whole, part is not None, part)
