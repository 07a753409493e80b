"""A report as Markdown in one language: tables and texts, for reviews and wikis; plots are only on the page."""

import re
from collections.abc import Sequence

from sevenb.lab.report.page.blocks import (
    MARKS,
    Block,
    Bullets,
    Cell,
    Code,
    Fold,
    Head,
    Language,
    Plots,
    Table,
    Text,
    Tongue,
    VerdictTable,
)
from sevenb.lab.report.page.document import document
from sevenb.lab.report.page.foreign_text import visible
from sevenb.lab.report.report import Report

_SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&!$])")
_LINE_START = re.compile(r"^(\d*)([-+=.)])")  # where a list would begin


def markdown_page(report: Report, language: Language) -> str:
    """The whole text."""
    found = document(report, Tongue(language))
    lines = [f"# {escaped(found.title)}", *(escaped(line) for line in found.lines)]
    for section in found.sections:
        lines += [f"## {escaped(section.title)}", *_blocks(section.blocks)]
    return "\n\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """A text in one line that means nothing but itself, wherever it stands."""
    line = " ".join(visible(text).split())
    return _LINE_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", line))


def _blocks(blocks: Sequence[Block]) -> list[str]:
    return [text for block in blocks for text in _block(block)]


def _block(block: Block) -> list[str]:
    match block:
        case Text():
            return [escaped(block.text)]
        case Code():
            return [_fenced(block.text)]
        case Bullets():
            return ["\n".join(f"- {escaped(item)}" for item in block.items)]
        case Head():
            return [f"### {escaped(block.text)}"]
        case Fold():
            mark = f"{MARKS[block.tone]} " if block.tone else ""
            summary = f"<details><summary>{mark}{_entities(block.summary)}</summary>"
            return [summary, *_blocks(block.blocks), "</details>"]
        case Plots():
            return []
        case Table():
            rows = [[_cell(cell) for cell in row] for row in block.rows]
            return [f"*{escaped(block.caption)}*", _table(block.head, rows, block.figures)]
        case VerdictTable():
            rows = [
                [
                    f"**{escaped(name)}**",
                    *(
                        "<br>".join(
                            [
                                f"**{escaped(judged.word)}**",
                                *(f"{MARKS[tone]} {escaped(reason)}" for tone, reason in judged.reasons),
                            ]
                        )
                        for judged in judgements
                    ),
                ]
                for name, judgements in block.rows
            ]
            return [f"*{escaped(block.caption)}*", _table(block.head, rows, frozenset())]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], figures: frozenset[int]) -> str:
    rule = ["--:" if index in figures else "---" for index in range(len(head))]
    lines = [[escaped(name) for name in head], rule, *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(cell: Cell | str) -> str:
    if isinstance(cell, str):
        return escaped(cell) or " "
    note = f"<br>{escaped(cell.note)}" if cell.note else ""
    return f"{escaped(cell.text)}{note}"


def _fenced(text: str) -> str:
    """In a fence that is longer than any in the text."""
    text = visible(text)
    longest = max((len(found) for found in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _entities(text: str) -> str:
    """For a line that is HTML."""
    line = " ".join(visible(text).split())
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        line = line.replace(character, entity)
    return escaped(line).replace("\\&", "&")
