"""``sevenb list``: stored models, and the catalog."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.table import Table

EPILOG = """Examples:

[dim]$[/] sevenb list

[dim]$[/] sevenb list --all  [dim]# what could be pulled, and what would fit here[/]"""


def list_models(
    everything: Annotated[bool, typer.Option("--all", "-a", help="List the catalog: what could be pulled.")] = False,
) -> None:
    """List the models on this machine with size, quantization and age; with --all the whole catalog."""
    if everything:
        _list_catalog()
    else:
        _list_stored()


def _list_stored() -> None:
    from sevenb.cli.console import out, size_text
    from sevenb.model.catalog import DEFAULT_MODEL
    from sevenb.model.store import Store

    store = Store()
    models = store.models()
    if not models:
        out.print(f"No models yet. Get the small default model with  [bold]sevenb pull {DEFAULT_MODEL}[/]  (491 MB).")
        return
    table = _table("MODEL", "SIZE", "QUANTIZATION", "PULLED")
    for model in models:
        table.add_row(model.name, size_text(model.size), model.quantization, age_text(time.time() - model.pulled_at))
    out.print(table)
    out.print(f"[dim]{size_text(store.disk_use())} in {store.home}[/]", soft_wrap=True)


def _list_catalog() -> None:
    import psutil

    from sevenb.cli.console import count_text, out, size_text
    from sevenb.model.store import Store

    store = Store()
    memory = psutil.virtual_memory().total
    table = _table("MODEL", "PARAMETERS", "DOWNLOAD", "MEMORY", "LICENSE", "")
    for entry in store.catalog.entries:
        fits = entry.memory_bytes() <= memory
        state = "[green]stored[/]" if store.has(entry.name) else "" if fits else "too large for this machine"
        table.add_row(
            entry.name,
            count_text(entry.parameters),
            size_text(entry.download_bytes),
            size_text(entry.memory_bytes()),
            entry.license,
            state,
            style=None if fits else "dim",
        )
    out.print(table)
    out.print(f"[dim]MEMORY is with 8K of context; this machine has {size_text(memory)}.[/]")


def age_text(seconds: float) -> str:
    """How long ago, roughly: ``3 hours ago``."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _table(*headings: str) -> "Table":
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(
            heading, no_wrap=True, justify="right" if heading in ("SIZE", "DOWNLOAD", "MEMORY") else "left"
        )
    return table
