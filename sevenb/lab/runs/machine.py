"""The machine a run was made on: processor, cores, memory, system, GPUs, and how busy it was."""

import contextlib
import os
import platform
import subprocess
from functools import cache
from pathlib import Path

import msgspec
import psutil

import sevenb


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in every report. Memory in bytes."""

    cpu: str
    cores: float  # that this process may use: of the machine, its affinity, the container's quota
    memory: int  # of the machine, or of the container where that has less
    system: str
    python: str
    gpus: tuple[str, ...]
    load: float  # average of the last minute, in processes that wanted to run


def this_machine() -> Machine:
    """Look now."""
    return Machine(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gpus=_gpus(),
        load=os.getloadavg()[0],
    )


@cache
def sevenb_version() -> str:
    """``0.1.0``, or ``0.1.0 (1a2b3c4)`` of a checkout."""
    root = Path(sevenb.__file__).parents[1]
    if not (root / ".git").exists():
        return sevenb.__version__
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(root), "describe", "--always", "--dirty=, changed", "--exclude=*"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
        return f"{sevenb.__version__} ({told})"
    return sevenb.__version__


@cache
def _cpu() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


@cache
def _gpus() -> tuple[str, ...]:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout
        return tuple(line.strip() for line in told.splitlines() if line.strip())
    return ()
