"""How the lab's verbs run: their progress on the terminal, and Ctrl-C that keeps what is done."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import msgspec

from sevenb.cli.console import stoppable
from sevenb.cli.lab_progress import terminal_progress
from sevenb.lab.progress import Progress

T = TypeVar("T")


def measured(work: Callable[[Progress], Coroutine[Any, Any, T]]) -> T:
    """What ``work`` comes to. Ctrl-C ends it, and the verb with exit status 130."""
    with stoppable("What was measured is kept; run the same command again to go on."), terminal_progress() as progress:
        return asyncio.run(work(progress))


def print_json(results: msgspec.Struct) -> None:
    """Results as JSON on standard output, for programs."""
    print(msgspec.json.format(msgspec.json.encode(results), indent=2).decode())
