"""`Download`: a model on its way into the store, in a thread; `Downloads`: how many of them run at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sevenb.errors import InvalidRequest, TooManyRequests
from sevenb.model.store import Store

MAX_DOWNLOADS = 4  # at once
NEWS_SECONDS = 0.2  # between two pieces of news about the same file

_HUBS = ("hf.co/", "huggingface.co/")  # how Ollama's users name a repository of the hub


def reference_of(store: Store, name: str) -> str:
    """The name as the store knows it. Raises `ModelNotFound`; paths of this machine are none of a client's business."""
    for hub in _HUBS:
        name = name.removeprefix(hub)
    is_path = name.startswith(("/", ".", "~")) or name.lower().endswith(".gguf") or "\\" in name
    reference = None if is_path else store.reference(name)
    if reference is None or isinstance(reference, Path):
        raise InvalidRequest(
            "model is a path; name a model of the catalog (qwen2.5-coder:0.5b) or a repository (org/repo:Q4_K_M).",
            "model",
        )
    return reference.name


class Downloads:
    """The downloads of one server that run now."""

    def __init__(self) -> None:
        self._running = 0

    def begin(self) -> None:
        """Count one that begins; `end` when it has ended. Raises `TooManyRequests`, and then it does not count."""
        if self._running >= MAX_DOWNLOADS:
            raise TooManyRequests(f"{MAX_DOWNLOADS} models are being pulled already; wait for one of them.", 30.0)
        self._running += 1

    def end(self) -> None:
        """Note the end of one that had begun."""
        self._running -= 1


@dataclass(frozen=True)
class Note:
    """Something worth a line of its own, such as a source that was given up."""

    text: str


@dataclass(frozen=True)
class Arrival:
    """How much of a file is there: ``label`` says which, ``done`` and ``total`` are bytes."""

    label: str
    done: int
    total: int


News = Note | Arrival


class DownloadStopped(Exception):
    """Nobody wants the download any more."""


class Download:
    """One pull, in a thread; a `Progress` that passes on, in the event loop, what it is told."""

    def __init__(self, store: Store, name: str, downloads: Downloads, tell: Callable[[News], None]) -> None:
        self._store = store
        self._name = name
        self._downloads = downloads
        self._tell_loop = tell
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._label = ""
        self._total = 0
        self._told = 0.0

    def begin(self) -> "asyncio.Task[None]":
        """Start; the task ends with the pull, as it ends. Raises `TooManyRequests`."""
        self._downloads.begin()
        task = asyncio.create_task(asyncio.to_thread(self._pull), name=f"pull {self._name}")
        task.add_done_callback(self._ended)
        return task

    def stop(self) -> None:
        """Let it end soon, with `DownloadStopped`; what has arrived is kept."""
        self._stop.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._downloads.end()
        if not task.cancelled():
            task.exception()  # told to whoever waits for it, or nobody is there to hear

    # -- in the thread -----------------------------------------------------------------------------------

    def _pull(self) -> None:
        if not self._store.has(self._name):
            self._store.pull(self._name, self)

    def _tell(self, news: News) -> None:
        if self._stop.is_set():
            raise DownloadStopped
        self._loop.call_soon_threadsafe(self._tell_loop, news)

    def note(self, line: str) -> None:
        """A source that was given up, say."""
        self._tell(Note(line))

    def start(self, label: str, total: int, done: int) -> None:
        """A file begins."""
        self._label, self._total, self._told = label, total, 0.0
        self.update(done)

    def update(self, done: int) -> None:
        """Bytes done by now."""
        if time.monotonic() - self._told >= NEWS_SECONDS or done == self._total:
            self._told = time.monotonic()
            self._tell(Arrival(self._label, done, self._total))
        elif self._stop.is_set():
            raise DownloadStopped

    def finish(self) -> None:
        """A file ended."""
