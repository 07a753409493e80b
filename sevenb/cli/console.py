"""What all verbs print with: two consoles, numbers people read, progress of downloads, and how Ctrl-C ends them."""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import typer
from rich.console import Console
from rich.markup import escape

from sevenb.model.download import Progress
from sevenb.model.download_progress import showing_downloads, size_text

__all__ = [
    "count_text", "download_progress", "err", "out", "print_error", "print_json", "seconds_text", "size_text",
    "stoppable",
]  # fmt: skip

PIPE_WIDTH = 200  # columns where no terminal sets a width, so that tables are not cut

out = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)
err = Console(width=None if sys.stderr.isatty() else PIPE_WIDTH, highlight=False, stderr=True)


def print_error(message: str) -> None:
    """One sentence in red on standard error; what names of files and hostile files may hold is shown, not obeyed."""
    shown = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in message)
    err.print(f"[bold red]Error:[/] [red]{escape(shown)}[/]", soft_wrap=True)


def print_json(results: Any) -> None:
    """Structs, or lists of them, as JSON on standard output, for programs."""
    import msgspec

    print(msgspec.json.format(msgspec.json.encode(results), indent=2).decode())


def seconds_text(seconds: float | None) -> str:
    """``1.23 s``, ``12.3 ms``; an en dash where nobody knows."""
    if seconds is None:
        return "–"
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1000:.1f} ms"


def count_text(count: int) -> str:
    """A number of weights as people write it: ``35K``, ``494M``, ``7.6B``."""
    if count >= 999_500_000:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.0f}M" if count >= 999_500 else f"{count / 1e3:.0f}K"


def download_progress() -> contextlib.AbstractContextManager[Progress]:
    """A `Progress` on standard error: a bar with speed and time left on a terminal, plain lines elsewhere."""
    return showing_downloads(err)


@contextlib.contextmanager
def stoppable(advice: str) -> Iterator[None]:
    """Let Ctrl-C end the verb with exit status 130 and a word on what to do next."""
    try:
        yield
    except KeyboardInterrupt:
        err.print(f"\nStopped. {advice}", markup=False, soft_wrap=True)
        raise typer.Exit(130) from None
