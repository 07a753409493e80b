"""What ``sevenb bench self-test`` shows."""

from rich.table import Table

from sevenb.cli.console import seconds_text
from sevenb.lab.speed.self_test import Comparison, SelfTest


def self_test_table(result: SelfTest) -> Table:
    """A row for each figure of each script: what the server did and what was measured."""
    table = Table(title="Self-test: a server whose delays are known", title_justify="left")
    for name in ("Script", "A careless clock …", "Figure"):
        table.add_column(name)
    for name in ("Sent", "Measured", "Difference"):
        table.add_column(name, justify="right")
    table.add_column("")
    shown = ""
    for row in result.comparisons:
        if row.script != shown and shown:
            table.add_section()
        first = row.script != shown
        shown = row.script
        table.add_row(*((row.script, row.trap) if first else ("", "")), row.figure, *_numbers(row), _mark(row))
    return table


def verdict_text(result: SelfTest) -> str:
    """One line."""
    failed = [row for row in result.comparisons if not row.passed]
    if not failed:
        return f"[bold green]Passed[/]: all {len(result.comparisons)} figures are what the server really did."
    names = ", ".join(f"{row.script}: {row.figure}" for row in failed)
    return (
        f"[bold red]Failed[/]: {len(failed)} of {len(result.comparisons)} figures ({names}). Is this machine busy? "
        "Then measure when it is not."
    )


def _numbers(row: Comparison) -> tuple[str, str, str]:
    difference = row.measured - row.sent
    if row.figure == "tokens":
        return f"{row.sent:.0f}", f"{row.measured:.0f}", f"{difference:+.0f}"
    return seconds_text(row.sent), seconds_text(row.measured), f"{difference * 1000:+.2f} ms"


def _mark(row: Comparison) -> str:
    return "[green]✓[/]" if row.passed else "[bold red]✗[/]"
