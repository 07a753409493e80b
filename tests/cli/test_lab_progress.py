"""Long work shows how far it is and how long it still takes, on a terminal and in a log."""

import io

import pytest
from rich.console import Console

from sevenb.cli import lab_progress
from sevenb.cli.lab_progress import Clock, duration_text, terminal_progress


def log() -> Console:
    return Console(file=io.StringIO(), width=200)


def text(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock, to be turned by hand."""
    now = [0.0]
    monkeypatch.setattr(lab_progress.time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_now_and_then_with_the_time_left(seconds: list[float]) -> None:
    console = log()
    with terminal_progress(console) as progress:
        progress.say("Starting")
        with progress.stage("HumanEval", 164, 40) as stage:
            stage.advance(1)
            seconds[0] = 20
            stage.advance(30, "55% right")
            seconds[0] = 25
            stage.advance(93)
    assert text(console).splitlines() == [
        "Starting",
        "HumanEval: 71 of 164, 60 s left (55% right)",
        "HumanEval: 164 of 164 in 25 s",
    ]


def test_what_an_earlier_session_did_says_nothing_of_the_speed(seconds: list[float]) -> None:
    clock = Clock(100, done=90)
    assert clock.left is None
    seconds[0], clock.done = 10, 92
    assert clock.left == pytest.approx(40)


def test_a_terminal_gets_bars_and_keeps_a_line_of_each_outer_stage() -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=100, highlight=False)
    with terminal_progress(console) as progress, progress.stage("Report [draft]", 2) as outer:
        with progress.stage("Latency", 3) as inner:
            inner.advance(3, "4,096 tokens")
        progress.say("a [note]")
        outer.advance(2)
    written = text(console)
    assert "Report [draft]: 2 of 2 in" in written
    assert "a [note]" in written
    assert "Latency: 3 of 3" not in written


def test_a_stage_that_is_broken_off_says_how_far_it_came() -> None:
    console = log()

    def stopped() -> None:
        with terminal_progress(console) as progress, progress.stage("GSM8K", 10) as stage:
            stage.advance(4)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert text(console).startswith("GSM8K: 4 of 10 in")


@pytest.mark.parametrize(
    ("seconds_left", "words"), [(0.4, "0 s"), (99, "99 s"), (100, "1:40"), (3599.6, "1:00:00"), (7384, "2:03:04")]
)
def test_durations_are_written_as_people_do(seconds_left: float, words: str) -> None:
    assert duration_text(seconds_left) == words
