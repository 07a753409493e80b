"""A report as one page of HTML: both languages, no script, nothing from elsewhere.

The language is chosen by the address alone: ``report.html#zh``, or any anchor within the Chinese part, shows that part,
everything else the other. All text is escaped here; the page's policy forbids scripts, requests and inline styles
besides its own, so that a model's answer stays a text whatever it says.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import cache
from html import escape as escape_html
from pathlib import Path

from sevenb.lab.report.page.blocks import (
    LANGUAGES,
    MARKS,
    Block,
    Bullets,
    Cell,
    Code,
    Fold,
    Head,
    Judged,
    Language,
    Plot,
    Plots,
    Section,
    Table,
    Text,
    Tongue,
    VerdictTable,
)
from sevenb.lab.report.page.document import Document, document
from sevenb.lab.report.page.foreign_text import visible
from sevenb.lab.report.page.plots.drawing import inline
from sevenb.lab.report.report import Report

_NAMES: dict[Language, str] = {"en": "English", "zh": "中文"}
_TAGS: dict[Language, str] = {"en": "en", "zh": "zh-Hans"}
_CURRENT = ' aria-current="true"'
_UNITS = re.compile(r"(?<=[0-9]) (?=%|m?s\b|min\b|tok/s)|(?<=[≤≥]) ")
_LONG = 48  # characters of a cell that wants room


def html_page(report: Report) -> str:
    """The whole page."""
    first: Language = "zh" if report.language == "zh" else "en"
    second: Language = "en" if first == "zh" else "zh"
    style = _style() + _switch(first, second)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    documents = {language: document(report, Tongue(language)) for language in LANGUAGES}
    articles = "\n".join(_article(documents[language], Tongue(language)) for language in (first, second))
    return (
        f'<!doctype html>\n<html lang="{_TAGS[first]}">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(documents[first].title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
        f"{articles}\n</body>\n</html>\n"
    )


def escape(text: str) -> str:
    """A text that means nothing but itself, in an element or in an attribute."""
    return escape_html(visible(text))


@cache
def _style() -> str:
    return Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def _switch(first: Language, second: Language) -> str:
    """Rules that show the part in which the address points, else the first."""
    there = f":root:has(#{second}:target, #{second} :target)"
    return f"{there} #{first}, :root:not(:has(#{second}:target, #{second} :target)) #{second} {{ display: none; }}\n"


def _article(found: Document, t: Tongue) -> str:
    links = "".join(
        f'<a href="#{other}" lang="{_TAGS[other]}" hreflang="{_TAGS[other]}"'
        f"{_CURRENT if other == t.language else ''}>{_NAMES[other]}</a>"
        for other in LANGUAGES
    )
    contents = "".join(
        f'<li><a href="#{t.language}-{section.key}">{escape(section.title)}</a></li>' for section in found.sections
    )
    lines = "".join(f"<p>{escape(line)}</p>" for line in found.lines)
    return (
        f'<article id="{t.language}" lang="{_TAGS[t.language]}">\n<header class="top">'
        f'<div class="bar"><span>{t("sevenb report", "sevenb 报告")}</span>'
        f'<nav aria-label="{t("Language", "语言")}">{links}</nav></div>'
        f"<h1>{escape(found.title)}</h1>{lines}"
        f'<nav class="contents" aria-label="{t("Contents", "目录")}"><ul>{contents}</ul></nav></header>\n<main>\n'
        + "\n".join(_section(section, t) for section in found.sections)
        + "\n</main>\n</article>"
    )


def _section(section: Section, t: Tongue) -> str:
    key = f"{t.language}-{section.key}"
    return (
        f'<section aria-labelledby="{key}" data-section="{section.key}"><h2 id="{key}">{escape(section.title)}</h2>\n'
        f"{_blocks(section.blocks)}</section>"
    )


def _blocks(blocks: Sequence[Block]) -> str:
    return "\n".join(_block(block) for block in blocks)


def _block(block: Block) -> str:
    match block:
        case Text():
            return f"<p{_class(block.tone)}>{escape(block.text)}</p>"
        case Code():
            return f"<pre>{escape(block.text)}</pre>"
        case Bullets():
            return f'<ul class="plain">{"".join(f"<li>{escape(item)}</li>" for item in block.items)}</ul>'
        case Head():
            return f"<h3>{escape(block.text)}</h3>"
        case Fold():
            mark = f'<span class="{block.tone}">{MARKS[block.tone]}</span> ' if block.tone else ""
            return (
                f"<details><summary>{mark}{escape(block.summary)}</summary><div>{_blocks(block.blocks)}</div></details>"
            )
        case Plots():
            return f'<div class="plots">{"".join(_figure(plot) for plot in block.plots)}</div>'
        case Table():
            return _table(block)
        case VerdictTable():
            return _verdict_table(block)


def _figure(plot: Plot) -> str:
    drawing = inline(plot.sheet, plot.key, plot.caption, plot.description)
    return f"<figure><figcaption>{escape(plot.caption)}</figcaption>{drawing}</figure>"


# -- tables --------------------------------------------------------------------------------------------


def _table(table: Table) -> str:
    head = "".join(
        f'<th scope="col"{_class("figure" if index in table.figures else "")}>{escape(name)}</th>'
        for index, name in enumerate(table.head)
    )
    rows = "".join(
        f"<tr>{_row(table, row, spans[index])}</tr>"
        for spans in [_spans(table)]
        for index, row in enumerate(table.rows)
    )
    return _scrolled(
        table.caption,
        f"<table><caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>",
    )


def _spans(table: Table) -> list[int]:
    """For each row how many rows its name stands for; 0 where the row above has said it."""
    spans = [1] * len(table.rows)
    for index in reversed(range(1, len(table.rows))):
        if table.rows[index][0] == table.rows[index - 1][0]:
            spans[index - 1] += spans[index]
            spans[index] = 0
    return spans


def _row(table: Table, row: Sequence[Cell | str], span: int) -> str:
    cells = []
    for index, one in enumerate(row):
        if index == 0 and not span:
            continue
        cell = one if isinstance(one, Cell) else Cell(one)
        note = f"<small>{escape(cell.note)}</small>" if cell.note else ""
        long = len(cell.text) > _LONG or len(cell.note) > _LONG
        style = "long" if long else "figure" if index in table.figures else ""
        text = f"{escape(cell.text)}{note}"
        if cell.tone:
            text = f'<span class="{cell.tone}">{escape(cell.text)}</span>{note}'
        cells.append(
            f"<th{_named(span)}{_class(style)}>{text}</th>" if index == 0 else f"<td{_class(style)}>{text}</td>",
        )
    return "".join(cells)


def _named(rows: int) -> str:
    return f' scope="rowgroup" rowspan="{rows}"' if rows > 1 else ' scope="row"'


def _verdict_table(table: VerdictTable) -> str:
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in table.head)
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th>'
        + "".join(_judged(judged, label) for judged, label in zip(judgements, table.head[1:], strict=True))
        + "</tr>"
        for name, judgements in table.rows
    )
    return _scrolled(
        table.caption,
        f'<table class="verdict"><caption>{escape(table.caption)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table>",
    )


def _judged(judged: Judged, label: str) -> str:
    reasons = "".join(
        f'<li{_class("faint" if tone == "faint" else "")}><b class="{tone}">{MARKS[tone]}</b>{_unbroken(text)}</li>'
        for tone, text in judged.reasons
    )
    return (
        f'<td data-label="{escape(label)}"><span class="badge {judged.outcome}">{escape(judged.word)}</span>'
        f'<ul class="reasons">{reasons}</ul></td>'
    )


def _unbroken(text: str) -> str:
    """Figures stay on the line of their units, limits on that of their sign."""
    return _UNITS.sub("\u00a0", escape(text))


def _scrolled(label: str, table: str) -> str:
    """What is wider than the page scrolls by itself, also by the keyboard."""
    return f'<div class="scroll" role="region" aria-label="{escape(label)}" tabindex="0">{table}</div>'


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
