r"""Numbers as people write them (1,234.5, $12, 3/4, \frac{3}{4}): where they stand, and when two are equal."""

import re
from fractions import Fraction

from sevenb.lab.tasks.maths.numbers import number

_DIGITS = r"\d{1,12}(?:,\d{3})*(?:\.\d+)?|\.\d+"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d{1,12})\s*\}\s*\{\s*(\d{1,12})\s*\}")
_QUANTITY = re.compile(rf"(?<![\w.])-?(?:\d{{1,12}}\s*/\s*\d{{1,12}}|{_DIGITS})|-?(?:{_DIGITS})")


def last_quantity(text: str) -> str | None:
    """The last number in ``text``, as it is written, but for fractions in LaTeX, which become 3/4."""
    found = _QUANTITY.findall(_FRACTION.sub(r" \1/\2 ", text))
    return found[-1] if found else None


def same_quantity(found: str | None, expected: str) -> bool:
    """Whether both are numbers, and equal ones; units around a number do not matter."""
    value = None if found is None else _value(found)
    return value is not None and value == _value(expected)


def is_quantity(text: str) -> bool:
    """Whether there is a number in it."""
    return _value(text) is not None


def _value(text: str) -> Fraction | None:
    written = last_quantity(text)
    if written is None:
        return None
    above, slash, below = written.partition("/")
    first, second = number(above), number(below) if slash else None
    if first is None or (slash and not second):
        return None
    return Fraction(first) / Fraction(second) if second else Fraction(first)
