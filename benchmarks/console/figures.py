"""What was measured of the console, as JSON in the results folder."""

from pathlib import Path

import msgspec

from benchmarks.results import FOLDER


class FirstLoad(msgspec.Struct, frozen=True):
    """The page without anything in a cache; times in seconds from the start of navigation, one a round."""

    gzipped: dict[str, int]  # bytes by kind: document, script, stylesheet, …
    first_paint: list[float]
    takes_text: list[float]


class Opening(msgspec.Struct, frozen=True):
    """A long chat comes to its end: seconds until its last message is painted, and until nothing changes any more."""

    painted: list[float]
    settled: list[float]


class Frames(msgspec.Struct, frozen=True):
    """Frames of the main thread, by requestAnimationFrame; intervals in seconds."""

    seconds: float
    count: int
    p50: float
    p95: float
    p99: float
    longest: float
    late: int  # the display was due once more in between

    @property
    def rate(self) -> float:
        """Frames a second."""
        return self.count / self.seconds


class Trace(msgspec.Struct, frozen=True):
    """What Chromium's own trace says of the page's process."""

    seconds: float
    busy: float  # share of the time in which the main thread runs a task
    over_16_ms: int  # so many tasks
    over_50_ms: int
    longest: float  # seconds
    presented: int  # frames with all that was due
    partial: int  # frames on time, with the main thread's part left for the next one
    dropped: int
    noticed: int  # of the dropped, those that Chromium counts against smoothness
    unpainted: int  # frames that showed a place where nothing was painted yet


class Motion(msgspec.Struct, frozen=True):
    """The page in motion, twice: frames without a trace beside them, then the trace."""

    frames: Frames
    trace: Trace


class Streamed(msgspec.Struct, frozen=True):
    """An answer that streams."""

    title: str
    tokens: int
    rate: float  # tokens a second
    motion: Motion


class Memory(msgspec.Struct, frozen=True):
    """Bytes that the page's JavaScript holds after a collection, and nodes of its documents."""

    title: str
    heap: int
    nodes: int


class ConsoleResult(msgspec.Struct, frozen=True):
    """All of the console's figures."""

    conditions: str
    browser: str
    load: float  # average of the minute before
    first_load: FirstLoad
    messages: int
    characters: int
    clicked: Opening
    direct: Opening
    scrolled: Motion
    speed: float  # pixels a second that were asked for
    streamed: list[Streamed]
    memory: list[Memory]


def save(result: ConsoleResult, folder: Path = FOLDER) -> None:
    """Keep it; an older one is replaced."""
    path = _path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result)))


def load(folder: Path = FOLDER) -> ConsoleResult | None:
    """What was kept."""
    path = _path(folder)
    return msgspec.json.decode(path.read_bytes(), type=ConsoleResult) if path.exists() else None


def _path(folder: Path) -> Path:
    return folder / "console" / "console.json"
