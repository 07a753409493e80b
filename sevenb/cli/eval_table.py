"""The tables of ``sevenb eval``: what was measured, and what there is to measure."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sevenb.cli.lab_progress import duration_text
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.results import ScenarioSummary, TaskSummary
from sevenb.lab.statistics import Rate
from sevenb.lab.tasks.registry import TASKS

MANY_GROUPS = 8
_SUMS = ("category:", "average", "instruction-level")


def print_tasks(console: Console, target: str, summaries: Sequence[TaskSummary]) -> None:
    """A row a task, and below it how each was measured."""
    table = Table(title=f"Quality of {escape(target)}", title_justify="left")
    table.add_column("Task")
    for name in ("Items", "Strict", "95 %", "Flexible", "Truncated", "Unparsed", "Failed", "Published", "Time"):
        table.add_column(name, justify="right")
    for summary in summaries:
        asked = f"{summary.strict.of:,}" if summary.strict.of == summary.of else f"{summary.strict.of:,}/{summary.of:,}"
        table.add_row(
            summary.title, asked, _percent(summary.strict.value), _interval(summary.strict),
            _percent(summary.flexible.value), str(summary.truncated), str(summary.unparsed), str(summary.failed),
            f"{summary.published.value:.1f}" if summary.published else "–", duration_text(summary.seconds),
        )  # fmt: skip
    console.print(table)
    for summary in summaries:
        for line in _details(summary):
            console.print(line, markup=False, soft_wrap=True)


def _details(summary: TaskSummary) -> list[str]:
    data = summary.data
    lines = [
        "",
        f"{summary.title}: {summary.metric}, preset {summary.preset}",
        f"  prompt: {summary.template}",
        f"  {summary.extraction}",
        f"  data: {data.source}, {data.items:,} items, sha256 {data.sha256[:16]}, licence {data.licence}",
        f"  {f'{summary.output_tokens:,}' if summary.output_tokens else 'uncounted'} tokens; "
        + ", ".join(f"{name} {value}" for name, value in summary.settings.items() if name in _SHOWN),
    ]
    if summary.pass_at:
        lines.append("  " + ", ".join(f"{name} {_percent(value)}" for name, value in summary.pass_at.items()))
    if summary.published:
        note = f" ({summary.published.note})" if summary.published.note else ""
        lines.append(f"  published: {summary.published.value:.1f} %, {summary.published.source}{note}")
    lines += [f"  {name}: {_percent(share.value)} of {share.of}" for name, share in _shown_groups(summary).items()]
    return lines


def _shown_groups(summary: TaskSummary) -> dict[str, Rate]:
    """All, or of many those that sum others up; --json has the rest."""
    if len(summary.groups) <= MANY_GROUPS:
        return summary.groups
    return {name: share for name, share in summary.groups.items() if name.startswith(_SUMS)}


_SHOWN = ("samples", "max_tokens", "temperature", "seed", "concurrency", "sandbox")


def print_scenarios(console: Console, target: str, summary: ScenarioSummary) -> None:
    """A row a scenario, with the checks that did not hold."""
    table = Table(title=f"Scenarios with {escape(target)}", title_justify="left")
    for name in ("Scenario", "Passed", "What does not hold"):
        table.add_column(name)
    for row in summary.rows:
        failed = [check for check in row.checks if not check.passed]
        words = "; ".join(f"{check.name}: {check.detail}" for check in failed) or (row.left_out or "")
        passed = "–" if row.left_out else "yes" if row.passed else "no"
        table.add_row(row.title["en"], passed, escape(words))
    console.print(table)


def print_what_there_is(console: Console, finder: DataFinder) -> None:
    """The tasks with their presets, the first of each being the default, and where their data is or would be had."""
    for kind in TASKS.values():
        console.print(f"[bold]{kind.name}[/]  {escape(kind.title)}")
        for number, (name, reproduces) in enumerate(kind.presets.items()):
            default = " (default)" if number == 0 else ""
            console.print(f"  --preset {name}{default}: {reproduces}", markup=False, soft_wrap=True)
        place = finder.place(kind.dataset)
        console.print(f"  data: {place}; licence {kind.dataset.licence}", markup=False, soft_wrap=True)
    console.print("[bold]scenarios[/]  Eight things that people do with a model, each with a check that needs no judge")
    console.print("[bold]FILE.yaml[/]  A task of your own")


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(share: Rate) -> str:
    return f"{100 * share.low:.1f}–{100 * share.high:.1f}"
