"""Numbers in answers: where they stand, and when two are the same."""

import re
from decimal import Decimal, InvalidOperation

# As lm-evaluation-harness' "flexible-extract" of GSM8K finds them.
_NUMBER = re.compile(r"-?[$0-9.,]{2,}|-?[0-9]+")


def last_number(text: str) -> str | None:
    """The last number in ``text``, as it is written."""
    for found in reversed(_NUMBER.findall(text)):
        if number(found) is not None:
            return str(found)
    return None


def number(text: str) -> Decimal | None:
    """The number that ``text`` is, apart from thousands separators, money signs, a percent sign and a full stop."""
    plain = re.sub(r"[,\s$€£¥%]|\\[$%!,]", "", text).rstrip(".")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def same_number(found: str | None, expected: str) -> bool:
    """Whether both are numbers, and the same one."""
    return found is not None and (value := number(found)) is not None and value == number(expected)
