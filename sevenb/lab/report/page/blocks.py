"""What a report consists of, before it is HTML or Markdown: sections of headings, texts, tables and figures.

All text is plain: those who render it escape it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from sevenb.lab.report.page.plots.drawing import Sheet
from sevenb.lab.report.verdict import Outcome

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")

Tone = Literal["", "good", "bad", "unsure", "faint"]
MARKS: dict[Tone, str] = {"good": "✓", "bad": "✗", "unsure": "~", "faint": "·", "": ""}


@dataclass(frozen=True)
class Tongue:
    """Chooses between a text's two languages: ``t("Memory", "内存")``."""

    language: Language

    def __call__(self, english: str, chinese: str) -> str:
        """The text in this language."""
        return english if self.language == "en" else chinese

    def of(self, titles: dict[str, str], missing: str = "") -> str:
        """A text that came with its languages; English where it has not this one."""
        return titles.get(self.language) or titles.get("en") or missing


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    tone: Tone = ""


@dataclass(frozen=True)
class Code:
    """A command to copy, or a foreign text: line breaks count."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list."""

    items: Sequence[str]


@dataclass(frozen=True)
class Cell:
    """``note`` stands smaller under the text."""

    text: str
    note: str = ""
    tone: Tone = ""


Row = list[Cell | str]


@dataclass(frozen=True)
class Table:
    """The first cell of each row names it. Columns whose index is in ``figures`` are set to the right."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    figures: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Plot:
    """A drawing with what it shows in words; its figures stand in a table beside it. ``key`` is its own on a page."""

    key: str
    sheet: Sheet
    caption: str
    description: str


@dataclass(frozen=True)
class Plots:
    """Drawings side by side."""

    plots: Sequence[Plot]


@dataclass(frozen=True)
class Judged:
    """One cell of the verdict: what came out, and the figures that decided, each with its tone."""

    outcome: Outcome
    word: str
    reasons: Sequence[tuple[Tone, str]]


@dataclass(frozen=True)
class VerdictTable:
    """Subjects by uses."""

    caption: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[Judged]]]


@dataclass(frozen=True)
class Fold:
    """Folded where that is possible. ``tone``: of the mark before its heading."""

    summary: str
    blocks: "Sequence[Block]"
    tone: Tone = ""


@dataclass(frozen=True)
class Head:
    """A heading within a section."""

    text: str


Block = Text | Code | Bullets | Table | Plots | VerdictTable | Fold | Head


@dataclass(frozen=True)
class Section:
    """``key`` is its anchor."""

    key: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
