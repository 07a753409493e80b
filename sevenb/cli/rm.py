"""``sevenb rm``: delete models."""

from typing import Annotated

import typer

EPILOG = """Examples:

[dim]$[/] sevenb rm qwen2.5:7b

[dim]$[/] sevenb rm llama3:8b mistral:7b

Files that another model shares stay."""


def rm(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="Names as in sevenb list.")],
) -> None:
    """Delete models from this machine, at once and without asking."""
    from sevenb.cli.console import out, size_text
    from sevenb.model.store import Store

    store = Store()
    for name in models:
        freed = store.remove(name)
        out.print(f"Deleted [bold]{name}[/], {size_text(freed)} freed.")
