"""``sevenb compare``: two runs, or two models, side by side."""

from typing import TYPE_CHECKING, Annotated

import typer

from sevenb.cli import lab_options as options

if TYPE_CHECKING:
    from rich.table import Table

    from sevenb.lab.runs.compare import Comparison
    from sevenb.lab.runs.figures import Figure
    from sevenb.lab.statistics import Rate

EPILOG = """Examples:

[dim]$[/] sevenb compare qwen2.5-coder:0.5b qwen2.5-coder:1.5b

[dim]$[/] sevenb compare 3f2a 9c41

Runs and their ids: sevenb runs."""

_NAME = "A run's id, or a model or target that was measured."


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=_NAME, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help=_NAME, show_default=False)],
    json: options.JsonOutput = False,
) -> None:
    """Put two runs side by side; of two models or targets, the newest finished runs of each kind that both have.

    Speed and memory as ratios; quality with 95 % intervals and McNemar's exact test on the items that both answered.
    It warns where settings, data, machine or template differ, so that like is not compared with like.
    """
    from sevenb.cli.console import err, out, print_json
    from sevenb.lab.runs.compare import compare as compared
    from sevenb.lab.runs.store import RunStore

    comparisons = compared(RunStore(), first, second)
    if json:
        print_json(comparisons)
        return
    for comparison in comparisons:
        title = f"{comparison.kind}: {comparison.first.name} ({comparison.first.run}) and "
        out.print(f"\n[bold]{title}{comparison.second.name} ({comparison.second.run})[/]", soft_wrap=True)
        if comparison.figures:
            out.print(_figures_table(comparison))
        for quality in comparison.quality:
            out.print(f"{quality.name}: {_rate_text(quality.first)} and {_rate_text(quality.second)}")
            out.print(f"  {quality.verdict}", soft_wrap=True)
        if not comparison.figures and not comparison.quality:
            out.print("They measured nothing in common.")
        for line in comparison.differences:
            out.print(f"[dim]  {line}[/]", soft_wrap=True)
        for line in comparison.warnings:
            err.print(f"Not like with like: {line}", style="yellow", markup=False, soft_wrap=True)


def _figures_table(comparison: "Comparison") -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("AT", "FIGURE"):
        table.add_column(name, no_wrap=True)
    for name in ("FIRST", "SECOND", "RATIO", ""):
        table.add_column(name, justify="right", no_wrap=True)
    shown = ""
    for figure in comparison.figures:
        at = "" if figure.row == shown else figure.row
        shown = figure.row
        table.add_row(
            at, figure.name, _value_text(figure.first, figure.unit), _value_text(figure.second, figure.unit),
            "–" if figure.ratio is None else f"{figure.ratio:.2f}×", _better(figure),
        )  # fmt: skip
    return table


def _better(figure: "Figure") -> str:
    if figure.ratio is None or 0.99 < figure.ratio < 1.01:
        return ""
    return "second is better" if (figure.ratio > 1) == (figure.better == "higher") else "first is better"


def _value_text(value: float | None, unit: str) -> str:
    from sevenb.cli.console import seconds_text, size_text

    if value is None:
        return "–"
    if unit == "s":
        return seconds_text(value)
    return size_text(int(value)) if unit == "bytes" else f"{value:,.2f} {unit}"


def _rate_text(rate: "Rate") -> str:
    return f"{rate.value:.1%} ({rate.right} of {rate.of}; {rate.low:.1%} to {rate.high:.1%})"
