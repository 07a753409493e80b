"""`OverallProgress`: one bar over all steps of a report, moved by the stages within each step."""

import contextlib
from collections.abc import Iterator

from sevenb.lab.progress import Progress, Stage


class OverallProgress:
    """Shows what it is given, and moves the bar over all by the share of the running step that is done."""

    def __init__(self, shown: Progress, overall: Stage) -> None:
        """``overall`` counts seconds as they were guessed beforehand."""
        self._shown = shown
        self._overall = overall
        self._cost = 0.0
        self._moved = 0.0
        self._note = ""

    @contextlib.contextmanager
    def step(self, cost: float, note: str) -> Iterator[None]:
        """A step that takes about ``cost`` seconds; at its end the bar stands where it should, whatever happened."""
        self._cost, self._moved, self._note = cost, 0.0, note
        self._overall.advance(0, note)
        try:
            yield
        finally:
            self._overall.advance(max(0.0, cost - self._moved), note)
            self._cost = 0.0

    @contextlib.contextmanager
    def stage(self, title: str, total: float, done: float = 0) -> Iterator[Stage]:
        """A stage of the running step."""
        with self._shown.stage(title, total, done) as stage:
            self.move(done / total if total else 0)
            yield _Moving(stage, self, total)

    def say(self, line: str) -> None:
        """A line above the bars."""
        self._shown.say(line)

    def move(self, share: float) -> None:
        """That share of the step is done."""
        seconds = min(share * self._cost, self._cost - self._moved)
        if seconds > 0:
            self._moved += seconds
            self._overall.advance(seconds, self._note)


class _Moving:
    def __init__(self, stage: Stage, progress: OverallProgress, total: float) -> None:
        self._stage = stage
        self._progress = progress
        self._total = total

    def advance(self, steps: float = 1, note: str = "") -> None:
        self._stage.advance(steps, note)
        if self._total:
            self._progress.move(steps / self._total)
