"""Mathematics in an answer as plain text, and its numbers: digits, fractions, LaTeX, Chinese numerals."""

import re
import unicodedata
from fractions import Fraction

_SUBSCRIPT = re.compile(r"_\{?\w+\}?|[₀-₉]+")
_SUPERSCRIPTS = str.maketrans({"²": "^2", "³": "^3"})
_LATEX_FRACTION = re.compile(r"\\[dt]?frac\s*\{\s*(-?\d+)\s*\}\s*\{\s*(-?\d+)\s*\}")
_LATEX_TEXT = re.compile(r"\\(?:text|mathrm|mathbf|textbf|operatorname)\s*\{([^{}]*)\}")
_LATEX_SPACING = re.compile(r"\\[,;:! ]|\\q?quad\b|\\left\b|\\right\b|\\displaystyle\b")
_LATEX_MARKS = re.compile(r"\\[()\[\]]|\$+|\*\*|__|\\boxed\b")
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_CHINESE = re.compile(r"(?:[零〇一二两三四五六七八九十百]|千(?![米克]))+")
_DIGITS = {digit: value for value, digits in enumerate(("零〇", "一", "二两", "三", "四", "五", "六", "七", "八", "九"))
           for digit in digits}  # fmt: skip
_PLACES = {"十": 10, "百": 100, "千": 1000}

NUMBER = r"-?\d+(?:\.\d+)?(?:\s*/\s*\d+(?:\.\d+)?)?"


def plain(text: str) -> str:
    """The text without LaTeX's marks, subscripts and emphasis, its digits and signs in ASCII.

    Chinese numerals are made digits if there are no others.
    """
    text = text.translate(_SUPERSCRIPTS)
    text = _LATEX_TEXT.sub(r" \1 ", text)
    text = _SUBSCRIPT.sub("", text)
    text = _LATEX_FRACTION.sub(r"\1/\2", text)
    text = _LATEX_MARKS.sub(" ", _LATEX_SPACING.sub(" ", text))
    text = text.replace("\\", " ").replace("−", "-").replace("–", "-").replace("负", "-")
    text = unicodedata.normalize("NFKC", text).replace("{", "(").replace("}", ")")
    text = re.sub(r"-\s+(?=\d)", "-", _THOUSANDS.sub("", text))
    if not re.search(r"\d", text):
        text = _CHINESE.sub(lambda found: str(_chinese(found[0])), text)
    return text


def number(text: str) -> Fraction:
    """The value of what `NUMBER` found; a fraction over zero is no number: ValueError."""
    above, _, below = text.partition("/")
    if below and not Fraction(below.strip()):
        raise ValueError(f"{text} divides by zero")
    return Fraction(above.strip()) / Fraction(below.strip() or 1)


def _chinese(numeral: str) -> int:
    total = digit = 0
    for character in numeral:
        if character in _PLACES:
            total += (digit or 1) * _PLACES[character]
            digit = 0
        else:
            digit = digit * 10 + _DIGITS[character]
    return total + digit
