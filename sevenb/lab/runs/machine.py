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
from sevenb.host import total_memory, usable_cores

_ROOT = Path("/")
_LOOK_SECONDS = 0.2  # how long it is watched whether others compute


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in every report."""

    cpu: str
    cores: int  # that this process may keep busy, within its affinity and the container's quota
    memory: int  # bytes that the machine or the container has
    system: str  # "Linux 6.8.0"
    python: str
    gpus: tuple[str, ...]  # "NVIDIA GeForce RTX 4090, 24564 MiB"
    load: float  # processes that wanted to run, averaged over the last minute
    free_cores: float  # that nobody used at that moment, of those this process may use

    @property
    def warning(self) -> str | None:
        """A sentence where others compute on it, too."""
        if self.free_cores >= 0.75 * self.cores:
            return None
        return (
            f"The machine was busy when this run began: {self.free_cores:.1f} of {self.cores} cores were free (load "
            f"{self.load:.1f}); timings may be slower than they would be."
        )


def this_machine(root: Path = _ROOT) -> Machine:
    """Look now, for a fifth of a second. Only tests change ``root``."""
    cores = usable_cores(root)
    idle = (1 - psutil.cpu_percent(_LOOK_SECONDS) / 100) * (psutil.cpu_count(logical=False) or psutil.cpu_count() or 1)
    return Machine(
        cpu=_cpu(root),
        cores=cores,
        memory=total_memory(root),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        gpus=_gpus(),
        load=round(psutil.getloadavg()[0], 2),
        free_cores=round(min(cores, idle), 2),
    )


@cache
def sevenb_version() -> str:
    """``0.1.0``, or ``0.1.0 (1a2b3c4)`` of a checkout, with ``, changed`` where files differ from that commit."""
    root = Path(sevenb.__file__).parents[1]
    if not (root / ".git").exists():
        return sevenb.__version__
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["git", "-C", str(root), "describe", "--always", "--dirty=, changed", "--exclude=*"]
        return f"{sevenb.__version__} ({_told_by(command)})"
    return sevenb.__version__


@cache
def _cpu(root: Path) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    if platform.system() == "Darwin":
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return _told_by(["sysctl", "-n", "machdep.cpu.brand_string"])
    return platform.processor() or platform.machine()


@cache
def _gpus() -> tuple[str, ...]:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = _told_by(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
        return tuple(line.strip() for line in told.splitlines() if line.strip())
    return ()


def _told_by(command: list[str]) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # git is only to look
    answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True, env=environment)
    return answer.stdout.strip()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
