"""The table of ``sevenb bench latency``."""

from rich.table import Table

from sevenb.cli.console import seconds_text
from sevenb.lab.results import LatencyRow, LatencySummary
from sevenb.lab.statistics import Spread

_RIGHT = ("Prompt", "Cached", "TTFT", "its own", "TPOT", "its own ", "ITL", "ITL p99", "E2E", "Prefill", "Decode")


def latency_table(title: str, summary: LatencySummary) -> Table:
    """Medians of each length; a refused length says why, what must be known of others stands below them."""
    table = Table(title=title, title_justify="left", caption_justify="left", caption=_CAPTION)
    table.add_column("Context")
    for name in _RIGHT:
        table.add_column(name.strip(), justify="right")
    for row in summary.rows:
        label = _label(row)
        if row.refused is None:
            table.add_row(label, *_cells(row))
        else:
            table.add_row(label, "refused")
    return table


_CAPTION = (
    "Medians. TTFT: until the first token. TPOT: for each further one; ITL: between two chunks; E2E: the whole answer. "
    "Its own: by the server's clock. Prefill and decode: tokens a second."
)


def remarks(summary: LatencySummary) -> list[str]:
    """A line for each thing that must be known of a row."""
    lines = []
    for row in summary.rows:
        label = _label(row)
        lines += [f"{label}: {text}" for text in (*row.notes, *([f"refused: {row.refused}"] if row.refused else []))]
    return lines


def _label(row: LatencyRow) -> str:
    """``4K``, ``32K warm``, ``1,000``."""
    length = f"{row.context // 1024}K" if row.context % 1024 == 0 else f"{row.context:,}"
    return f"{length} warm" if row.warm else length


def _cells(row: LatencyRow) -> list[str]:
    return [
        "–" if row.prompt_tokens is None else f"{row.prompt_tokens:,}",
        "–" if row.cached_tokens is None else f"{row.cached_tokens:,}",
        _middle(row.ttft),
        seconds_text(row.server_ttft),
        _middle(row.tpot),
        seconds_text(row.server_tpot),
        _middle(row.itl),
        seconds_text(row.itl.p99 if row.itl else None),
        _middle(row.e2e),
        _rate(row.prefill_rate),
        _rate(row.decode_rate),
    ]


def _middle(figures: Spread | None) -> str:
    return seconds_text(figures.median if figures else None)


def _rate(figures: Spread | None) -> str:
    return "–" if figures is None else f"{figures.median:,.1f}"
