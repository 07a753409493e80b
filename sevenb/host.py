"""What this process may use of the machine: processor cores and memory, within affinity and container limits.

Sources, of Linux's documentation: ``cputopology.rst``, ``cgroup-v2.rst``, ``cgroup-v1/``, ``sysfs-devices-system-cpu``.
Every function reads below ``root``, which only tests change.
"""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

LEAST_RESERVE = 512 * 2**20  # bytes of a machine that models leave to all else

_ROOT = Path("/")


@dataclass(frozen=True)
class Processors:
    """How many threads should compute, and why that many."""

    threads: int
    reason: str


def choose_processors(root: Path = _ROOT, allowed: set[int] | None = None) -> Processors:
    """One thread for each physical core that this process may keep busy, at least one.

    Two hardware threads of a core count once, since the kernels fill a core alone. Where cores differ, the slower kinds
    do not count: each op ends with its slowest chunk. Affinity (``allowed``, by default this process's own) and a
    container's processor quota lower the number; a quota counts with its halves rounded up.
    """
    usable = allowed if allowed is not None else _affinity()
    present = _online(root) or usable
    fast = _fastest(root, usable)
    cores = len({_core_of(root, cpu) for cpu in fast})
    quota = _processor_quota(root)
    if quota is not None and math.floor(quota + 0.5) < cores:
        return Processors(max(1, math.floor(quota + 0.5)), f"the container's limit of {quota:.3g} processors")
    if len(usable) < len(present):
        return Processors(cores, f"the cores of {len(usable)} of {len(present)} processors it may run on")
    if len(fast) < len(usable):
        return Processors(cores, "the performance cores")
    return Processors(cores, "the physical cores" if cores < len(usable) else "all cores")


def usable_cores(root: Path = _ROOT) -> int:
    """The number of threads of `choose_processors`."""
    return choose_processors(root).threads


def free_memory(root: Path = _ROOT) -> int:
    """Bytes that can be taken without swapping, within the memory limits of all control groups around this process."""
    available = int(psutil.virtual_memory().available)
    for group in _control_groups(root, "memory"):
        for limit_file, usage_file in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            limit, usage = _number(group / limit_file), _number(group / usage_file)
            if limit is not None and usage is not None:
                available = min(available, limit - usage + _reclaimable(group))
    return max(0, available)


def total_memory(root: Path = _ROOT) -> int:
    """Bytes of memory that this machine has, or that the control groups around this process leave of it."""
    total = int(psutil.virtual_memory().total)
    for group in _control_groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            if (limit := _number(group / name)) is not None:
                total = min(total, limit)
    return total


def model_budget(total: int | None = None) -> int:
    """Bytes that all models may take together: of this machine or container, or of ``total``, less a reserve."""
    total = total_memory() if total is None else total
    return total - max(total // 10, LEAST_RESERVE)


# -- cores ---------------------------------------------------------------------------------------------


def _affinity() -> set[int]:
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))


def _online(root: Path) -> set[int]:
    return _cpu_list(root / "sys/devices/system/cpu/online")


def _fastest(root: Path, cpus: set[int]) -> set[int]:
    """Those of the fastest kind: Intel's performance cores, Arm's cores of the highest capacity."""
    performance = _cpu_list(root / "sys/devices/cpu_core/cpus") & cpus
    if performance:
        return performance
    capacities = {cpu: _number(root / f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity") or 0 for cpu in cpus}
    # Cores of one kind may differ by a few per cent, by the clock that each one reaches.
    return {cpu for cpu, capacity in capacities.items() if capacity >= 0.8 * max(capacities.values())}


def _core_of(root: Path, cpu: int) -> frozenset[int]:
    """The logical processors of the physical core that one belongs to; one that tells nothing is a core of its own."""
    topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
    siblings = _cpu_list(topology / "core_cpus_list") or _cpu_list(topology / "thread_siblings_list")
    return frozenset(siblings | {cpu})


def _processor_quota(root: Path) -> float | None:
    """Processors' worth of time that the tightest control group around this process allows, if one has a limit."""
    quotas = []
    for group in _control_groups(root, "cpu"):
        match _words(group / "cpu.max"):
            case [quota, period] if quota.isdecimal() and period.isdecimal() and int(period):
                quotas.append(int(quota) / int(period))
        v1_quota, v1_period = _number(group / "cpu.cfs_quota_us"), _number(group / "cpu.cfs_period_us")
        if v1_quota and v1_period and v1_quota > 0:
            quotas.append(v1_quota / v1_period)
    return min(quotas, default=None)


# -- control groups ------------------------------------------------------------------------------------


def _control_groups(root: Path, controller: str) -> Iterator[Path]:
    """The folders of this process's control group and of all around it, in version 2 and in ``controller``'s own."""
    own = {"": "/", controller: "/"}
    for line in _lines(root / "proc/self/cgroup"):  # 4:cpu,cpuacct:/a/b, or 0::/a/b for version 2
        match line.split(":", 2):
            case [_, controllers, path] if not controllers or controller in controllers.split(","):
                own["" if not controllers else controller] = path
    for line in _lines(root / "proc/self/mountinfo"):  # 33 31 0:30 ROOT MOUNT_POINT options … - TYPE source options
        mount, _, rest = line.partition(" - ")
        match mount.split()[3:5], rest.split():
            case [mounted, point], ["cgroup2", *_]:
                yield from _inner_to_outer(root / point.lstrip("/"), own[""], mounted)
            case [mounted, point], ["cgroup", _, options, *_] if controller in options.split(","):
                yield from _inner_to_outer(root / point.lstrip("/"), own[controller], mounted)


def _inner_to_outer(point: Path, group: str, mounted: str) -> Iterator[Path]:
    """Folders of ``group`` and its parents in a file system that shows the groups from ``mounted`` on."""
    inside = group.removeprefix(mounted.rstrip("/")).strip("/")
    steps = [] if ".." in inside else [step for step in inside.split("/") if step]
    for depth in range(len(steps), -1, -1):
        yield point.joinpath(*steps[:depth])


def _reclaimable(group: Path) -> int:
    """Bytes of file cache that count as used but can be dropped at any moment."""
    statistics = dict(line.split(maxsplit=1) for line in _lines(group / "memory.stat") if " " in line)
    # Version 1 counts the groups below under names of their own.
    text = statistics.get("total_inactive_file", statistics.get("inactive_file", "0"))
    return int(text) if text.isdecimal() else 0


# -- files of the system -------------------------------------------------------------------------------


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []


def _words(path: Path) -> list[str]:
    return " ".join(_lines(path)).split()


def _number(path: Path) -> int | None:
    """The integer in a file of the system; None when there is no file or it holds a word such as ``max``."""
    try:
        return int(" ".join(_lines(path)))
    except ValueError:
        return None


def _cpu_list(path: Path) -> set[int]:
    """Numbers from a list such as ``0-3,8``; none where there is no such file."""
    cpus: set[int] = set()
    for part in ",".join(_lines(path)).split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last.isdecimal() or not last):
            cpus.update(range(int(first), int(last or first) + 1))
    return cpus
