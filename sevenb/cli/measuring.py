"""How the lab's verbs run: their progress on the terminal, Ctrl-C that keeps what is done, and what is printed."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from rich.table import Table

from sevenb.cli.console import err, out, print_json, stoppable
from sevenb.cli.lab_progress import terminal_progress
from sevenb.lab.progress import Progress
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target

T = TypeVar("T")


def measured(work: Callable[[Progress], Coroutine[Any, Any, T]]) -> T:
    """What ``work`` comes to. Ctrl-C ends it, and the verb with exit status 130."""
    with stoppable("What was measured is kept; run the same command again to go on."), terminal_progress() as progress:
        return asyncio.run(work(progress))


def measured_on(
    model: str | None,
    target: str | None,
    api_key: str | None,
    serve_options: Sequence[str],
    timeout: float,
    measure: Callable[[Client, Progress], Awaitable[T]],
) -> tuple[str, T]:
    """What tables call the server that is opened for it, and what ``measure`` comes to there; see `measured`."""

    async def work(progress: Progress) -> tuple[str, T]:
        async with open_target(
            model, target, api_key, progress=progress, serve_options=serve_options, timeout=timeout
        ) as client:
            return client.target.name, await measure(client, progress)

    return measured(work)


def print_measured(results: Any, table: Table, remarks: Iterable[str], *, json: bool) -> None:
    """The results as JSON, or else their table, and the remarks where they do not get into it."""
    if json:
        print_json(results)
        return
    out.print(table)
    for line in remarks:
        err.print(line, markup=False, soft_wrap=True)
