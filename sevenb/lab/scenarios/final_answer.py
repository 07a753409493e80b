"""The part of an answer that says the result: after its last marker, in its last box, or its last paragraph."""

import re

_MARKER = re.compile(
    r"(?:final\s+)?answer\s*(?:is\b|[:：])|答案\s*(?:是|为|[:：])|最终答案|(?<!不)答\s*[:：]",
    re.IGNORECASE,
)
_BOX = re.compile(r"\\boxed\s*\{")
_RULE = re.compile(r"^[^\S\n]*(?:[-*_][^\S\n]*){3,}$", re.MULTILINE)
_OPENING = re.compile(r"\\\[|\$\$")
_CLOSING = re.compile(r"\\\]|\$\$")
_MEANINGFUL = re.compile(r"[\d零一二两三四五六七八九十百千]")


def final_answer(answer: str) -> str:
    """What the answer ends with: what its last boxes hold, else what follows its last "Answer:", else its end.

    After a marker the first paragraph with a figure counts, so that an explanation behind it is no part of the result.
    """
    text = _RULE.sub("\n", answer.strip())
    boxes = _boxes(text)
    markers = [found.end() for found in _MARKER.finditer(text)]
    if boxes and not (markers and markers[-1] > boxes[-1][1]):
        # Two roots may each have a box; one of an earlier step, paragraphs before, is not the result.
        last = text.rfind("\n\n", 0, boxes[-1][0])
        return " , ".join(content for start, _, content in boxes if start > last)
    for paragraph in _paragraphs(text[markers[-1] :] if markers else ""):
        if _MEANINGFUL.search(paragraph):
            return paragraph
    told = [paragraph for paragraph in _paragraphs(text) if _MEANINGFUL.search(paragraph)]
    return told[-1] if told else ""


def _paragraphs(text: str) -> list[str]:
    """Apart at empty lines, except that displayed mathematics belongs to the words before it."""
    parts: list[str] = []
    done = 0
    while (opening := _OPENING.search(text, done)) and (closing := _CLOSING.search(text, opening.end())):
        shown = text[opening.end() : closing.start()].strip()
        parts += [text[done : opening.start()].strip() if parts else text[: opening.start()].rstrip()]
        parts += [opening[0], shown, closing[0]]
        done = closing.end()
    joined = " ".join([*parts, text[done:].lstrip()]) if parts else text
    return [paragraph.strip() for paragraph in re.split(r"\n\s*\n", joined)]


def _boxes(text: str) -> list[tuple[int, int, str]]:
    """Where each box begins and ends, and what it holds, boxes within it included."""
    found: list[tuple[int, int, str]] = []
    end = 0
    while opening := _BOX.search(text, end):
        depth, end = 1, opening.end()
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        found.append((opening.start(), end, text[opening.end() : end - (not depth)]))
    return found
