"""What a figure needs beside it to mean anything: the date, the processor, its load and memory, the commit."""

import datetime
import os
import platform
import subprocess
from pathlib import Path

from benchmarks.kernels import bandwidth
from benchmarks.remote import ROOT

BUSY = 0.3  # a one-minute load average above this spoils timings


def conditions(threads: int) -> str:
    """One line for people."""
    parts = (datetime.date.today().isoformat(), processor(), f"{threads} threads", f"commit {commit()}")
    return " · ".join(parts)


def processor() -> str:
    """Name of the processor, and how many are there."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    return f"{name}, {os.cpu_count()} processors"


def commit() -> str:
    """Short hash of the checked-out commit, with a plus when files that it knows were changed."""
    try:
        head = _git("rev-parse", "--short", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def load() -> float:
    """Load average of the last minute."""
    return os.getloadavg()[0]


def memory_bandwidth(threads: int) -> float:
    """Bytes a second that ``threads`` threads read together."""
    return bandwidth(threads)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
