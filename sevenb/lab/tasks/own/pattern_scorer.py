"""Scoring by a regular expression."""

import json
import re
import subprocess
import sys
from typing import Any

from sevenb.lab.tasks.own.items import Row
from sevenb.lab.tasks.own.scorer import Scorer, field_text
from sevenb.lab.tasks.task import Score

REGEX_SECONDS = 5.0

# A pattern can take for ever, and nothing stops it within its own process.
_MATCH = """
import json, re, sys
pattern, text, flags = json.load(sys.stdin)
found = re.search(pattern, text, flags)
json.dump([re.fullmatch(pattern, text.strip(), flags) is not None, found and found[0]], sys.stdout)
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
        """Match in a process of its own, which can be ended."""
        found = _match_in_time(expected, text, ignore_case=self.description.ignore_case)
        if found is None:
            return Score(False, False, None, f"the pattern took more than {REGEX_SECONDS:g} s")
        whole, part = found
        return Score(whole, part is not None, part)


def _match_in_time(pattern: str, text: str, *, ignore_case: bool) -> tuple[bool, str | None] | None:
    """Whether all of the text matches, and the part that does; None where that takes too long."""
    flags = int(re.DOTALL | (re.IGNORECASE if ignore_case else 0))
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _MATCH],
            input=json.dumps([pattern, text, flags]),
            capture_output=True,
            text=True,
            timeout=REGEX_SECONDS,
            check=True,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError):
        return None
    whole, part = json.loads(done.stdout)
    return bool(whole), part
