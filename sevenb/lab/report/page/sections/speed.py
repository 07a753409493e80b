"""What the tables and plots of speed and memory share."""

from collections.abc import Callable, Sequence

from sevenb.lab.report.page.blocks import Block, Plot, Text, Tongue
from sevenb.lab.report.page.plots.drawing import Sheet
from sevenb.lab.report.report import Report, Subject
from sevenb.lab.results import LatencyRow, LoadRow


def notes_of(report: Report, rows_of: Callable[[Subject], Sequence[LatencyRow | LoadRow]]) -> list[Block]:
    """What else must be known of the rows: sentences of the measuring, and why requests failed."""
    notes = dict.fromkeys(
        f"{subject.name}: {note}"
        for subject in report.subjects
        for row in rows_of(subject)
        for note in (*row.notes, *getattr(row, "reasons", ()))
    )
    return [Text(note, "unsure") for note in notes]


def plot_of(key: str, sheet: Sheet, title: str, description: str, t: Tongue) -> Plot:
    """A drawing under its own name in this language's part of the page."""
    return Plot(f"{t.language}-plot-{key}", sheet, title, description)
