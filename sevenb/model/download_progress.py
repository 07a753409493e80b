"""Downloads as people see them: a bar on a terminal, plain lines in a log."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.progress import Progress as Bars

from sevenb.model.download import Progress

PLAIN_SECONDS = 5.0  # between two lines of progress where no bar can be drawn


def size_text(size: int) -> str:
    """Bytes as people write them: ``491 MB``, ``4.7 GB``."""
    if size >= 999_500_000:
        return f"{size / 1e9:.1f} GB"
    return f"{size / 1e6:.0f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


@contextlib.contextmanager
def showing_downloads(console: Console) -> Iterator[Progress]:
    """A `Progress` on ``console``: a bar with speed and time left on a terminal, plain lines elsewhere."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console, expand=True) as bars:
        yield BarProgress(bars)


class BarProgress:
    """A live bar; one that ends early is taken away."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task = bars.add_task("", visible=False)

    def note(self, line: str) -> None:
        """Print the line above the bar."""
        self._bars.console.print(f"[yellow]{escape(line)}[/]", soft_wrap=True)

    def start(self, label: str, total: int, done: int) -> None:
        """Show a new bar that begins at ``done``."""
        self._task = self._bars.add_task(escape(label), total=total, completed=done)

    def update(self, done: int) -> None:
        """Move the bar."""
        self._bars.update(self._task, completed=done)

    def finish(self) -> None:
        """Leave a full bar, remove any other."""
        self._bars.update(self._task, visible=self._bars.tasks[-1].finished)


class PlainProgress:
    """A line at the start, one every few seconds, one at the end: for logs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._label = ""
        self._total = self._begun = self._done = 0
        self._started = self._printed = 0.0

    def note(self, line: str) -> None:
        """Print the line."""
        self._print(line)

    def start(self, label: str, total: int, done: int) -> None:
        """Remember the label; the first line is due some seconds later."""
        self._label, self._total, self._begun, self._done = label, total, done, done
        self._started = self._printed = time.monotonic()

    def update(self, done: int) -> None:
        """Print a line if the last one is some seconds old."""
        self._done = done
        now = time.monotonic()
        if now - self._printed >= PLAIN_SECONDS and done > self._begun:
            self._printed = now
            speed = (done - self._begun) / max(now - self._started, 1e-3)
            left = f", {(self._total - done) / speed:.0f} s left" if speed and done < self._total else ""
            part = f"{100 * done / self._total:3.0f} %" if self._total else ""
            self._print(f"{self._label}: {part} of {size_text(self._total)} at {size_text(int(speed))}/s{left}")

    def finish(self) -> None:
        """Print how long it took, if all bytes came."""
        if self._done == self._total > self._begun:
            seconds = time.monotonic() - self._started
            self._print(f"{self._label}: {size_text(self._total)} done in {seconds:.0f} s")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)
