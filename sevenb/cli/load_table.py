"""The table of ``sevenb bench serve``."""

from rich.table import Table

from sevenb.cli.console import seconds_text
from sevenb.lab.results import LoadRow, LoadSummary
from sevenb.lab.statistics import Spread

_RIGHT = ("Requests", "Failed", "Tokens/s", "Requests/s", "Goodput", "TTFT", "p95", "p99", "TPOT", "p95 ", "E2E p95")


def load_table(title: str, summary: LoadSummary) -> Table:
    """A row a level."""
    level = summary.level
    caption = (
        f"{summary.input_tokens:,} tokens in, {summary.output_tokens:,} out. Medians, unless it says p95 or p99. "
        "TTFT: until the first token; TPOT: for each further one; E2E: the whole answer. Goodput: requests a second "
        f"with TTFT within {level.ttft:g} s and TPOT within {level.tpot:g} s."
    )
    table = Table(title=title, title_justify="left", caption=caption, caption_justify="left")
    table.add_column("Load")
    for name in _RIGHT:
        table.add_column(name.strip(), justify="right")
    for row in summary.rows:
        table.add_row(row.title, *_cells(row))
    return table


def load_remarks(summary: LoadSummary) -> list[str]:
    """A line for each thing that must be known of a row, the reasons of failures among them."""
    return [
        f"{row.title}: {line}"
        for row in summary.rows
        for line in (*row.notes, *(f"{count} failed: {reason}" for reason, count in row.reasons.items()))
    ]


def _cells(row: LoadRow) -> list[str]:
    return [
        str(row.requests),
        str(row.failed),
        f"{row.output_rate:,.1f}",
        f"{row.request_rate:.2f}",
        f"{row.goodput:.2f}",
        *_three(row.ttft),
        *_three(row.tpot)[:2],
        seconds_text(row.e2e.p95 if row.e2e else None),
    ]


def _three(figures: Spread | None) -> list[str]:
    return [seconds_text(value) for value in ((figures.median, figures.p95, figures.p99) if figures else (None,) * 3)]
