"""``sevenb runs``: what was measured on this machine and is kept."""

import time
from typing import Annotated

import typer

from sevenb.cli import lab_options as options

Id = Annotated[str, typer.Argument(metavar="ID", help="Of a run, or as much of it as is clear.", show_default=False)]

EPILOG = """Examples:

[dim]$[/] sevenb runs

[dim]$[/] sevenb runs show 3f2a

Runs lie in SEVENB_LAB, else in ~/.local/share/sevenb/lab; lab.db there is a SQLite table of all of them."""

runs = typer.Typer(
    add_completion=False,
    rich_markup_mode="rich",
    invoke_without_command=True,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@runs.callback()
def list_runs(context: typer.Context, json: options.JsonOutput = False) -> None:
    """List what was measured, newest first; see one with  sevenb runs show ID,  delete it with  sevenb runs rm ID."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from sevenb.cli.console import err, out, print_json
    from sevenb.cli.list import age_text
    from sevenb.lab.runs.store import RunStore

    store = RunStore()
    records = store.records()
    if json:
        print_json(records)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("ID", "KIND", "MODEL", "ENGINE", "STATE", "STARTED"):
        table.add_column(heading, no_wrap=True)
    for record in records:
        engine = (record.facts and record.facts.engine) or "–"
        age = age_text(time.time() - record.started)
        table.add_row(record.id, record.kind, record.target.name, engine, record.state, age)
    out.print(table if records else "Nothing was measured yet. Begin with  [bold]sevenb bench latency[/]")
    for sentence in store.damaged():
        err.print(sentence, style="yellow", markup=False, soft_wrap=True)


@runs.command("show")
def show(id: Id) -> None:
    """Print everything that is known of a run, as JSON, and where its samples lie."""
    from sevenb.cli.console import err, print_json
    from sevenb.lab.runs.store import RunStore

    store = RunStore()
    record = store.find(id)
    print_json(record)
    count = len(store.samples(record))
    err.print(f"{count:,} samples in {record.path / 'samples.jsonl'}", markup=False, soft_wrap=True)


@runs.command("rm")
def remove(ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Of runs.", show_default=False)]) -> None:
    """Delete runs with their samples, at once and without asking."""
    from sevenb.cli.console import out
    from sevenb.lab.runs.store import RunStore

    store = RunStore()
    for id in ids:
        out.print(f"Deleted the run [bold]{store.remove(id)}[/].")
