"""The page in motion: how often it makes a frame, and what Chromium's trace says of its threads and frames."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from playwright.sync_api import Page

from benchmarks.console.figures import Frames, Motion, Trace

REFRESH = 1 / 60
LATE = 1.5 * REFRESH
CATEGORIES = ["__metadata", "disabled-by-default-devtools.timeline", "disabled-by-default-devtools.timeline.frame"]

_COUNT = """() => {
  const stamps = [];
  let running = true;
  const tick = (at) => {
    stamps.push(at);
    if (running) requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  window.countedFrames = () => {
    running = false;
    return stamps;
  };
}"""

Move = Callable[[], None]


def in_motion(prepare: Callable[[], tuple[Page, Move]]) -> Motion:
    """Move twice, each time on the page that ``prepare`` gives."""
    page, move = prepare()
    page.evaluate(_COUNT)
    move()
    frames = _frames(page.evaluate("() => window.countedFrames()"))
    page, move = prepare()
    with _traced(page) as events:
        move()
    return Motion(frames, _trace(events))


def _frames(stamps: list[float]) -> Frames:
    """Of times in milliseconds."""
    intervals = np.diff(stamps) / 1e3
    p50, p95, p99 = (float(np.percentile(intervals, share)) for share in (50, 95, 99))
    late = int((intervals > LATE).sum())
    return Frames(float(intervals.sum()), len(intervals), p50, p95, p99, float(intervals.max()), late)


@contextmanager
def _traced(page: Page) -> Iterator[list[dict[str, Any]]]:
    """The events are there once the block has been left."""
    browser = page.context.browser
    assert browser is not None
    events: list[dict[str, Any]] = []
    browser.start_tracing(page=page, categories=CATEGORIES)
    yield events
    events += json.loads(browser.stop_tracing())["traceEvents"]


def _trace(events: list[dict[str, Any]]) -> Trace:
    all_tasks = [event for event in events if event["name"] == "RunTask" and "dur" in event]  # others had no end
    thread = _main_thread(events, all_tasks)
    tasks = [task for task in all_tasks if (task["pid"], task["tid"]) == thread]
    durations = np.array([task["dur"] for task in tasks]) / 1e6
    seconds = (max(task["ts"] + task["dur"] for task in tasks) - min(task["ts"] for task in tasks)) / 1e6
    reports = [
        event["args"]["frame_reporter"]
        for event in events
        if event["name"] == "PipelineReporter" and event["ph"] == "b" and event["pid"] == thread[0]
    ]
    beats: dict[int, set[str]] = defaultdict(set)  # a frame whose main part comes later is reported twice
    for report in reports:
        beats[report["frame_sequence"]].add(report["state"])
    states = Counter(_state(told) for told in beats.values())
    noticed = {report["frame_sequence"] for report in reports if report["affects_smoothness"]}
    return Trace(
        seconds,
        busy=float(durations.sum()) / seconds,
        over_16_ms=int((durations > 0.016).sum()),
        over_50_ms=int((durations > 0.050).sum()),
        longest=float(durations.max()),
        presented=states["STATE_PRESENTED_ALL"],
        partial=states["STATE_PRESENTED_PARTIAL"],
        dropped=states["STATE_DROPPED"],
        noticed=sum(_state(beats[frame]) == "STATE_DROPPED" for frame in noticed),
        unpainted=sum(report["has_missing_content"] for report in reports),
    )


def _state(told: set[str]) -> str:
    """What became of a frame by all that is told of it."""
    first_that_holds = ("STATE_PRESENTED_PARTIAL", "STATE_PRESENTED_ALL", "STATE_DROPPED")
    return next((state for state in first_that_holds if state in told), "")


def _main_thread(events: Iterable[dict[str, Any]], tasks: Iterable[dict[str, Any]]) -> tuple[int, int]:
    """Process and thread that draw the page: of all renderers' main threads the one with most to do."""
    names = {
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "thread_name" and event["args"]["name"] == "CrRendererMain"
    }
    work: Counter[tuple[int, int]] = Counter()
    for task in tasks:
        if (task["pid"], task["tid"]) in names:
            work[task["pid"], task["tid"]] += task["dur"]
    if not work:
        raise RuntimeError("Chromium's trace holds no tasks of the page: its names of events may have changed.")
    return work.most_common(1)[0][0]
