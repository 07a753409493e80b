"""The lab's work as the terminal shows it: a bar a stage with the time left, or plain lines in a log."""

import contextlib
import time
from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, ProgressColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.progress import Task as Bar
from rich.text import Text

from sevenb.cli.console import err
from sevenb.lab.progress import Progress, Stage

PLAIN_SECONDS = 15.0  # between two lines of progress where no bar can be drawn


@contextlib.contextmanager
def terminal_progress(console: Console = err) -> Iterator[Progress]:
    """A `Progress` on standard error, so that standard output holds results alone."""
    if not console.is_terminal:
        yield PlainProgress(console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        _TimeLeftColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Bars(*columns, console=console, transient=True) as bars:
        yield BarProgress(bars)


class Clock:
    """How fast a stage goes, of what was done in this session."""

    def __init__(self, total: float, done: float) -> None:
        """Start now, with ``done`` made in an earlier session."""
        self.total, self.done = total, done
        self._begun = done
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._started

    @property
    def left(self) -> float | None:
        """Seconds that the rest will take; None until something was done."""
        made = self.done - self._begun
        return self.seconds / made * max(0.0, self.total - self.done) if made > 0 else None


def duration_text(seconds: float) -> str:
    """``48 s``, ``3:05``, ``1:02:07``."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class _TimeLeftColumn(ProgressColumn):
    def render(self, task: Bar) -> Text:
        """The stage's own reckoning: rich forgets steps that are a minute apart."""
        left = task.fields["clock"].left
        return Text("" if left is None else f"{duration_text(left)} left", style="progress.remaining")


class BarProgress:
    """Bars that live as long as their stages; each outer stage leaves a line."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._depth = 0

    @contextlib.contextmanager
    def stage(self, title: str, total: float, done: float = 0) -> Iterator[Stage]:
        """A bar that begins at ``done``."""
        clock = Clock(total, done)
        bar = self._bars.add_task(escape(title), total=total, note="", clock=clock)
        self._bars.update(bar, completed=done)
        self._depth += 1
        try:
            yield _BarStage(self._bars, bar, clock)
        finally:
            self._depth -= 1
            self._bars.remove_task(bar)
            if not self._depth:
                self.say(ending_text(title, clock))

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        self._bars.console.print(line, markup=False, soft_wrap=True)


class _BarStage:
    def __init__(self, bars: Bars, bar: TaskID, clock: Clock) -> None:
        self._bars, self._bar, self._clock = bars, bar, clock

    def advance(self, steps: float = 1, note: str = "") -> None:
        self._clock.done += steps
        self._bars.update(self._bar, completed=self._clock.done, note=escape(note))


class PlainProgress:
    """A line every so often and one at the end of each stage."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._printed = time.monotonic()

    @contextlib.contextmanager
    def stage(self, title: str, total: float, done: float = 0) -> Iterator[Stage]:
        """A stage that ends with a line."""
        clock = Clock(total, done)
        try:
            yield _PlainStage(self, title, clock)
        finally:
            self.say(ending_text(title, clock))

    def say(self, line: str) -> None:
        """Print a line."""
        self._printed = time.monotonic()
        self._console.print(line, markup=False, soft_wrap=True)

    def say_sometimes(self, line: str) -> None:
        """Print a line, unless one was printed a moment ago."""
        if time.monotonic() - self._printed >= PLAIN_SECONDS:
            self.say(line)


class _PlainStage:
    def __init__(self, progress: PlainProgress, title: str, clock: Clock) -> None:
        self._progress, self._title, self._clock = progress, title, clock

    def advance(self, steps: float = 1, note: str = "") -> None:
        clock = self._clock
        clock.done += steps
        left = f", {duration_text(clock.left)} left" if clock.left else ""
        detail = f" ({note})" if note else ""
        self._progress.say_sometimes(f"{self._title}: {clock.done:.0f} of {clock.total:.0f}{left}{detail}")


def ending_text(title: str, clock: Clock) -> str:
    """How a stage ended: ``HumanEval: 164 of 164 in 9:12``."""
    return f"{title}: {clock.done:.0f} of {clock.total:.0f} in {duration_text(clock.seconds)}"
