"""Processes that tests look at: they may end at any moment, and where nobody fetches them they stay as zombies."""

import time
from collections.abc import Iterable
from contextlib import suppress

import psutil


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that has ended, and that its parent has not asked about yet, does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def children_of(process: int, *, recursive: bool = False) -> list[psutil.Process]:
    """Those of a process's children, and of theirs, that run now."""
    found: list[psutil.Process] = []
    with suppress(psutil.Error):
        found = psutil.Process(process).children(recursive=recursive)
    return [child for child in found if is_alive(child)]


def process_of(pid: int) -> psutil.Process | None:
    """The process of a number; None where it is gone."""
    with suppress(psutil.Error):
        return psutil.Process(pid)
    return None


def all_ended(pids: Iterable[int], seconds: float = 60.0) -> bool:
    """Whether all processes of these numbers end within so many seconds."""
    return not left_after([process for process in map(process_of, pids) if process is not None], seconds)


def left_after(processes: Iterable[psutil.Process], seconds: float = 60.0) -> list[psutil.Process]:
    """Those that still run after so many seconds; as soon as none does, an empty list."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while left := [process for process in left if is_alive(process)]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left
