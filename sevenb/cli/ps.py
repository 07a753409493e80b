"""``sevenb ps``: the servers that run on this machine."""

import time

EPILOG = """[dim]$[/] sevenb ps

Figures of a server that asks for an API key are shown when SEVENB_API_KEY holds it."""


def ps() -> None:
    """Show the servers that run on this machine: loaded models, address, memory, and what they are doing."""
    from rich.table import Table

    from sevenb.cli.console import out, size_text
    from sevenb.cli.list import age_text
    from sevenb.server.instances import ModelFigures, memory_bytes, read_figures, running

    instances = running()
    if not instances:
        out.print("No server is running. Start one with  [bold]sevenb serve[/]")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in (
        "MODEL",
        "ADDRESS",
        "PID",
        "STATE",
        "MEMORY",
        "RUNNING",
        "WAITING",
        "KV POOL",
        "CONTEXT",
        "STARTED",
    ):
        table.add_column(heading, no_wrap=True)
    for instance in instances:
        figures = read_figures(instance)
        for number, model in enumerate(figures.models or [ModelFigures(instance.model, figures.state)]):
            # What belongs to the server stands in the row of its first model alone.
            table.add_row(
                model.name,
                instance.url,
                str(instance.pid),
                model.state,
                "" if number else size_text(memory_bytes(instance)),
                _number(model.running),
                _number(model.waiting),
                "–" if model.kv_usage is None else f"{model.kv_usage:.0%}",
                _number(model.max_model_len),
                age_text(time.time() - instance.started),
            )
    out.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
