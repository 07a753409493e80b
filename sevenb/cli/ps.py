"""``sevenb ps``: the servers that run on this machine."""

import time

EPILOG = """[dim]$[/] sevenb ps

Figures of a server that asks for an API key are shown when SEVENB_API_KEY holds it."""


def ps() -> None:
    """Show the servers that run on this machine: model, address, memory, and what they are doing."""
    from rich.table import Table

    from sevenb.cli.console import out, size_text
    from sevenb.cli.list import age_text
    from sevenb.server.instances import memory_bytes, read_figures, running

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
        table.add_row(
            instance.model,
            instance.url,
            str(instance.pid),
            figures.state,
            size_text(memory_bytes(instance)),
            _number(figures.running),
            _number(figures.waiting),
            "–" if figures.kv_usage is None else f"{figures.kv_usage:.0%}",
            _number(figures.max_model_len),
            age_text(time.time() - instance.started),
        )
    out.print(table)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"
