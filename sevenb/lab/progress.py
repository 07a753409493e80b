"""How long work shows itself: stages of so many steps, with the time left."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Protocol


class Stage(Protocol):
    """One piece of work."""

    def advance(self, steps: float = 1, note: str = "") -> None:
        """So many steps are done; ``note`` is shown beside the bar."""


class Progress(Protocol):
    """Where stages are shown: a terminal, a log, nowhere."""

    def stage(self, title: str, total: float, done: float = 0) -> AbstractContextManager[Stage]:
        """Show a stage of ``total`` steps until the block ends; ``done`` were made in an earlier session."""
        ...

    def say(self, line: str) -> None:
        """Show a line above the bars."""


class SilentProgress:
    """Shows nothing: for tests, and for programs that use the lab as a library."""

    @contextlib.contextmanager
    def stage(self, title: str, total: float, done: float = 0) -> Iterator[Stage]:
        """A stage that nobody sees."""
        yield _SilentStage()

    def say(self, line: str) -> None:
        """Nothing."""


class _SilentStage:
    def advance(self, steps: float = 1, note: str = "") -> None:
        pass


def silent_progress() -> Progress:
    """A `Progress` that shows nothing."""
    return SilentProgress()
