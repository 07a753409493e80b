"""What this process may use of the machine: processor cores and memory, within affinity and container limits."""

import os
from pathlib import Path

import psutil

_CPUS = Path("/sys/devices/system/cpu")
_CGROUP = Path("/sys/fs/cgroup")


def usable_cores(cpus: Path = _CPUS, cgroup: Path = _CGROUP) -> int:
    """Physical cores that this process may keep busy, at least 1.

    Two hardware threads of a core count once, since the kernels fill a core alone. A container's processor quota
    (cgroup v2 ``cpu.max``, v1 ``cpu.cfs_quota_us``) lowers the number.
    """
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set(range(os.cpu_count() or 1))
    cores = {_core_of(cpus / f"cpu{cpu}" / "topology", cpu) for cpu in allowed}
    quota = _cpu_quota(cgroup)
    return max(1, len(cores) if quota is None else min(len(cores), int(quota)))


def free_memory(cgroup: Path = _CGROUP) -> int:
    """Bytes that can be taken without swapping, within a container's memory limit (cgroup v2 or v1)."""
    available = int(psutil.virtual_memory().available)
    for limit_file, usage_file in (
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ):
        limit, usage = _number(cgroup / limit_file), _number(cgroup / usage_file)
        if limit is not None and usage is not None:
            available = min(available, limit - usage + _reclaimable(cgroup / Path(limit_file).parent))
    return max(0, available)


def _core_of(topology: Path, cpu: int) -> tuple[int, int]:
    """(package, core) of a logical processor; one that tells nothing is a core of its own."""
    core, package = _number(topology / "core_id"), _number(topology / "physical_package_id")
    return (-1, cpu) if core is None or package is None else (package, core)


def _cpu_quota(cgroup: Path) -> float | None:
    """Cores' worth of processor time that the container may use, if there is a limit."""
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    v1_quota, v1_period = _number(cgroup / "cpu/cpu.cfs_quota_us"), _number(cgroup / "cpu/cpu.cfs_period_us")
    return v1_quota / v1_period if v1_quota and v1_period and v1_quota > 0 else None


def _reclaimable(cgroup: Path) -> int:
    """Bytes of file cache that count as used but can be dropped at any moment."""
    try:
        statistics = (cgroup / "memory.stat").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in statistics if line.startswith("inactive_file ")), 0)


def _number(path: Path) -> int | None:
    """The integer in a file of the system; None when there is no file or it holds a word such as ``max``."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
