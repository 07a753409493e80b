"""IFEval's instructions about the form of an answer: lists, sections, titles, JSON and the like."""

import json
import re

_CHOICES = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
_FENCE = re.compile(r"```(?:json|Json|JSON)?(.*?)(?:```)?", re.DOTALL)


def placeholders(text: str, num_placeholders: int) -> bool:
    """At least so many placeholders such as [address]."""
    return sum(len(re.findall(r"\[.*?\]", line)) for line in _lines_until("]", text)) >= num_placeholders


def postscript(text: str, postscript_marker: str) -> bool:
    """There is a postscript, wherever it stands: "P.S." or "P.P.S"."""
    forms = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    marker = postscript_marker.strip()
    return bool(re.search(forms.get(marker, re.escape(marker.lower())), text.lower()))


def bullet_list(text: str, num_bullets: int) -> bool:
    """Exactly so many points, each a line that begins with `*` or `-`."""
    starred = re.findall(r"^[^\S\n]*\*[^*].*$", text, re.MULTILINE)
    dashed = re.findall(r"^[^\S\n]*-.*$", text, re.MULTILINE)
    return len(starred) + len(dashed) == num_bullets


def constrained_response(text: str) -> bool:
    """The answer holds one of three sentences."""
    return any(choice in text for choice in _CHOICES)


def highlighted_sections(text: str, num_highlights: int) -> bool:
    """At least so many parts are emphasised in Markdown: *one*, **two**."""
    single = re.findall(r"\*([^\n*]*)\*", text)
    double = re.findall(r"\*\*([^\n*]*)\*\*", text)
    return sum(bool(part.strip()) for part in (*single, *double)) >= num_highlights


def multiple_sections(text: str, section_spliter: str, num_sections: int) -> bool:
    """At least so many sections, each headed by this word and a number."""
    heading = rf"{re.escape(section_spliter.strip())}\s?\d+"
    return len(re.findall(heading, text)) >= num_sections


def json_format(text: str) -> bool:
    """All of it is JSON, in a fenced block or not."""
    fenced = _FENCE.fullmatch(text.strip())
    try:
        json.loads(fenced[1] if fenced else text.strip().removesuffix("```"))
    except (ValueError, RecursionError):
        return False
    return True


def title(text: str) -> bool:
    """There is a title such as <<poem of joy>>."""
    found = (re.search(r"<<(.+)>>", line, re.DOTALL) for line in _lines_until(">>", text))
    return any(title[1].strip("<>").strip() for title in found if title)


def _lines_until(end: str, text: str) -> list[str]:
    """Each line as far as the last ``end`` in it, so that no search for one goes on in vain."""
    return [line[: line.rindex(end) + len(end)] for line in text.split("\n") if end in line]


def two_responses(text: str) -> bool:
    """Two answers that differ, with six asterisks between them."""
    parts = [part.strip() for part in text.split("******")]
    answers = [part for part in parts if part]
    return all(parts[1:-1]) and len(answers) == 2 and answers[0] != answers[1]
