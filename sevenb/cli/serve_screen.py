"""What ``sevenb serve`` shows: the model as it loads, and the lines of a server that is ready."""

import contextlib
from collections.abc import Callable, Iterator, Sequence

import psutil
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from sevenb.cli.console import count_text, err, size_text
from sevenb.cli.engine_options import memory_text
from sevenb.engine.messages import EngineReady, LoadPlan, LoadProgress
from sevenb.model.catalog import CATALOG
from sevenb.server.access.gate import Gate
from sevenb.server.instances import Instance

ShowLoading = Callable[[LoadPlan | None, LoadProgress | None], None]


@contextlib.contextmanager
def loading_progress(name: str) -> Iterator[ShowLoading]:
    """What memory will be taken, then a bar on a terminal that goes when it is full; elsewhere a line before all."""
    if not err.is_terminal:
        err.print(f"Loading {name} …", markup=False)
        yield _Loading(None).show
        return
    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    with Progress(*columns, console=err, transient=True) as bar:
        bar.add_task(f"Loading {escape(name)}", total=None)
        yield _Loading(bar).show


class _Loading:
    """Prints the plan once, and moves the bar if there is one."""

    def __init__(self, bar: Progress | None) -> None:
        self._bar = bar
        self._told = False

    def show(self, plan: LoadPlan | None, progress: LoadProgress | None) -> None:
        if plan is not None and not self._told:
            self._told = True
            for line in (*plan.notes, memory_text(plan)):
                err.print(line, markup=False, soft_wrap=True)
        if progress is not None and self._bar is not None:
            self._bar.update(self._bar.task_ids[0], total=progress.total, completed=progress.done)


def ready_message(instance: Instance, engine: EngineReady, others: Sequence[str] = ()) -> str:
    """Where the server is, what it serves and how much it holds; ``others`` are models that it will load when asked."""
    lines = [
        f"[bold green]Server is ready![/]  [bold]{instance.url}/v1[/]  [dim](documentation: {instance.url}/docs)[/]",
        f"  [dim]Model[/]    {escape(instance.model)} on {escape(engine.device)}, "
        f"loaded in {engine.load_seconds:.1f} s",
        f"  [dim]Context[/]  {engine.max_model_len:,} tokens in one conversation",
        f"  [dim]KV pool[/]  {engine.kv_tokens:,} tokens for all conversations together in {engine.kv_dtype}, "
        f"{size_text(engine.kv_bytes)} beside {size_text(engine.weight_bytes)} of weights",
    ]
    if engine.card_bytes:
        taken = engine.weight_bytes + engine.kv_bytes + engine.working_bytes + engine.graph_bytes
        graphs = f", CUDA graphs {size_text(engine.graph_bytes)}" if engine.graph_bytes else ""
        lines.append(
            f"  [dim]Card[/]     {size_text(taken)} of {size_text(engine.card_bytes)}, of which steps take up to "
            f"{size_text(engine.working_bytes)}{graphs}"
        )
    if others:
        lines.append(f"  [dim]Others[/]   {escape(', '.join(others))}  [dim](loaded when they are asked for)[/]")
    if larger := _larger_models(instance.model):
        lines.append(f"  [dim]Larger[/]   {larger}  [dim](sevenb serve NAME)[/]")
    return "\n".join(lines)


def console_message(instance: Instance, gate: Gate) -> str:
    """Where the console is and, until there is an account, how the first one is made."""
    match gate.last_mode:
        case "local":
            return f"  [dim]Console[/]  [bold]{instance.url}[/]  [dim](for this machine, without accounts)[/]"
        case "accounts":
            return f"  [dim]Console[/]  [bold]{instance.url}[/]  [dim](with the accounts that it has)[/]"
        case "setup":
            link = f"{instance.url}/#/setup?token={gate.setup_token}"
            return (
                f"  [dim]Console[/]  Make yourself its administrator, once: [bold]{link}[/]\n"
                "           [dim](from another machine: with its name or address here in place of "
                f"{instance.host_here}; or run sevenb user add NAME --admin)[/]"
            )


def _larger_models(name: str) -> str:
    """Catalog models that would fit this machine and are larger than the served one."""
    current = CATALOG.find(name)
    fitting = CATALOG.fitting(psutil.virtual_memory().total, larger_than=current)
    if not fitting:
        return ""
    return "this machine would also run " + ", ".join(
        f"{entry.name} ({count_text(entry.parameters)})" for entry in fitting[:4]
    )
