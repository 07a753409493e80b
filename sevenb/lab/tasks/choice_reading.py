"""Finds which letter an answer to a multiple-choice question chooses."""

import re

_LETTER = r"[*_`\"'“(（【\[]*(?:\\boxed\{)?(?:\\text\{)?([A-D])(?![A-Za-z'’])"
# From the plainest statement to the faintest hint; of several places the last one counts, for a model may think first.
_STATEMENTS = (
    re.compile(
        rf"(?:answer|choice|option)\s*(?:is|would be|:|：)[\s:：]*(?:option|choice)?\s*{_LETTER}", re.IGNORECASE
    ),
    re.compile(rf"(?:答案|正确选项|正确的选项|正确答案)[^A-Z\n。，]{{0,8}}?{_LETTER}"),
    re.compile(rf"(?:故|应|应该|所以|因此|我)?选(?:择|项)?(?:是|为|：|:)?\s*{_LETTER}"),
    re.compile(r"\\boxed\{(?:\\text\{)?\(?([A-D])\b"),
    re.compile(r"([A-D])\s*(?:选项)?\s*(?:是正确|正确|is (?:the )?correct)"),
)
_LINE_START = re.compile(r"^\W*([A-D])(?:[.)、．:：）]|\W*$)", re.MULTILINE)
_ALONE = re.compile(r"(?<![A-Za-z'’])([B-D])(?![A-Za-z'’])|(?<![A-Za-z'’])(A)(?!\s+[a-z]|[A-Za-z'’])")
_ASKED_FOR = re.compile(r"\W*(?:Answer|ANSWER|答案)\s*[:：]\W*([A-D])\W*")


def strict_letter(text: str) -> str | None:
    """The letter of the last line, where this has the form that was asked for: "Answer: X" or "答案：X"."""
    lines = text.strip().splitlines()
    found = _ASKED_FOR.fullmatch(lines[-1]) if lines else None
    return found[1] if found else None


def flexible_letter(text: str, choices: list[str]) -> str | None:
    """The letter that is called the answer; else the first that stands alone; else that of the one choice named."""
    for statement in _STATEMENTS:
        if letters := statement.findall(text):
            return str(letters[-1]).upper()
    if found := _LINE_START.search(text) or _ALONE.search(text):
        return str(found[found.lastindex or 0])
    named = [letter for letter, choice in zip("ABCD", choices, strict=True) if choice.strip() and choice in text]
    return named[0] if len(named) == 1 else None
