"""What ``sevenb serve`` shows: the model as it loads, and the lines of a server that is ready."""

import contextlib
from collections.abc import Callable, Iterator

import psutil
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from sevenb.cli.console import count_text, err, size_text
from sevenb.engine.messages import EngineReady, LoadProgress
from sevenb.model.catalog import CATALOG
from sevenb.server.instances import Instance

ShowProgress = Callable[[LoadProgress | None], None]


@contextlib.contextmanager
def loading_progress(name: str) -> Iterator[ShowProgress]:
    """A bar on a terminal that goes when it is full, one line elsewhere."""
    if not err.is_terminal:
        err.print(f"Loading {name} …", markup=False)
        yield lambda _: None
        return
    with Progress(
        TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=err, transient=True
    ) as bar:
        task = bar.add_task(f"Loading {escape(name)}", total=None)

        def show(progress: LoadProgress | None) -> None:
            if progress is not None:
                bar.update(task, total=progress.total, completed=progress.done)

        yield show


def ready_message(instance: Instance, engine: EngineReady) -> str:
    """Where the server is, what it serves and how much it holds."""
    lines = [
        f"[bold green]Server is ready![/]  [bold]{instance.url}/v1[/]  [dim](documentation: {instance.url}/docs)[/]",
        f"  [dim]Model[/]    {escape(instance.model)} on {escape(engine.device)}, "
        f"loaded in {engine.load_seconds:.1f} s",
        f"  [dim]Context[/]  {engine.max_model_len:,} tokens in one conversation",
        f"  [dim]KV pool[/]  {engine.kv_tokens:,} tokens for all conversations together, {size_text(engine.kv_bytes)} "
        f"beside {size_text(engine.weight_bytes)} of weights",
    ]
    if larger := _larger_models(instance.model):
        lines.append(f"  [dim]Larger[/]   {larger}  [dim](sevenb serve NAME)[/]")
    return "\n".join(lines)


def _larger_models(name: str) -> str:
    """Catalog models that would fit this machine and are larger than the served one."""
    current = CATALOG.find(name)
    fitting = CATALOG.fitting(psutil.virtual_memory().total, larger_than=current)
    if not fitting:
        return ""
    return "this machine would also run " + ", ".join(
        f"{entry.name} ({count_text(entry.parameters)})" for entry in fitting[:4]
    )
