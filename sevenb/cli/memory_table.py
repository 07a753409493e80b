"""What ``sevenb bench memory`` prints: a row for each mode, and what its figures do not tell."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from sevenb.lab.results import MemoryRow, MemorySummary


def memory_table(title: str, summary: "MemorySummary") -> "Table":
    """One row a mode; an en dash is what nobody tells."""
    from rich.table import Table

    table = Table(
        title=title, title_justify="left", box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold"
    )
    table.add_column("MODE", no_wrap=True)
    for heading in (
        "CONTEXT",
        "WEIGHTS",
        "KV USED",
        "KV RESERVED",
        "ACTIVATIONS",
        "PROCESS PEAK",
        "PREDICTED",
        "OFF BY",
    ):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in summary.rows:
        sizes = (row.weights, row.kv_used, row.kv_reserved, row.activations, row.process_peak, row.predicted)
        table.add_row(row.mode, f"{row.context:,}", *map(_size, sizes), _error(row))
    return table


def memory_remarks(summary: "MemorySummary") -> list[str]:
    """Sentences that belong below the table."""
    remarks = [
        f"{row.mode}, {row.context:,} tokens: not measured; {row.refused}." for row in summary.rows if row.refused
    ]
    measured = [row for row in summary.rows if not row.refused]
    if any(row.process_peak is None for row in measured):
        remarks.append(
            "This server does not tell what memory it takes. If it runs on this machine, name its process with --pid."
        )
    elif any(row.kv_reserved is None for row in measured):
        remarks.append("Of this server only the process is known, with all that it has mapped.")
    return remarks


def _size(count: int | None) -> str:
    from sevenb.cli.console import size_text

    return "–" if count is None else size_text(count)


def _error(row: "MemoryRow") -> str:
    if not row.process_peak or row.predicted is None:
        return "–"
    return f"{row.predicted / row.process_peak - 1:+.1%}"
