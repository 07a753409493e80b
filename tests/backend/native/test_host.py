"""Threads and memory follow what the process may use: cores, affinity and the limits of its containers."""

from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sevenb.backend.native import NativeBackend
from sevenb.host import choose_processors, free_memory, total_memory, usable_cores


@dataclass(frozen=True)
class FakeSystem:
    """``/sys`` and ``/proc`` of another machine."""

    root: Path

    def write(self, path: str, text: str) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text + "\n")

    def cores(self, *siblings: str) -> None:
        """One list of logical processors for each physical core, such as ``0,4`` or ``0-1``."""
        count = 0
        for text in siblings:
            first, _, last = text.replace(",", "-").partition("-")
            for cpu in {first, last or first}:
                self.write(f"sys/devices/system/cpu/cpu{cpu}/topology/core_cpus_list", text)
                count = max(count, int(cpu))
        self.write("sys/devices/system/cpu/online", f"0-{count}")

    def version_2(self, group: str, mounted: str = "/") -> None:
        self.write("proc/self/cgroup", f"0::{group}")
        self.write("proc/self/mountinfo", f"30 23 0:26 {mounted} /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw")

    def version_1(self, group: str, mounted: str = "/") -> None:
        self.write("proc/self/cgroup", f"5:memory:{group}\n4:cpu,cpuacct:{group}\n1:name=systemd:/elsewhere")
        self.write(
            "proc/self/mountinfo",
            f"31 23 0:27 {mounted} /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
            f"32 23 0:28 {mounted} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
        )

    def threads(self, allowed: set[int]) -> int:
        return choose_processors(self.root, allowed).threads

    def reason(self, allowed: set[int]) -> str:
        return choose_processors(self.root, allowed).reason


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    return FakeSystem(tmp_path)


# -- cores ---------------------------------------------------------------------------------------------


def test_hardware_threads_of_one_core_count_once(system: FakeSystem) -> None:
    system.cores("0,4", "1,5", "2,6", "3,7")
    assert system.threads(set(range(8))) == 4
    assert system.reason(set(range(8))) == "the physical cores"


def test_cores_with_one_hardware_thread_all_count(system: FakeSystem) -> None:
    system.cores("0", "1")
    assert system.threads({0, 1}) == 2
    assert system.reason({0, 1}) == "all cores"


def test_only_processors_of_the_affinity_count(system: FakeSystem) -> None:
    system.cores("0,4", "1,5", "2,6", "3,7")
    assert system.threads({0, 4}) == 1
    assert system.threads({0, 1, 6}) == 3
    assert system.reason({0, 1, 6}) == "the cores of 3 of 8 processors it may run on"


def test_processors_without_topology_count_each(system: FakeSystem) -> None:
    assert system.threads({0, 1, 2}) == 3


def test_performance_cores_count_and_efficiency_cores_do_not(system: FakeSystem) -> None:
    system.cores("0-1", "2-3", "4", "5", "6", "7")
    system.write("sys/devices/cpu_core/cpus", "0-3")
    system.write("sys/devices/cpu_atom/cpus", "4-7")
    assert system.threads(set(range(8))) == 2
    assert system.reason(set(range(8))) == "the performance cores"
    assert system.threads({4, 5, 6}) == 3  # confined to the others, it uses them


def test_cores_of_the_highest_capacity_count(system: FakeSystem) -> None:
    system.cores("0", "1", "2", "3")
    for cpu, capacity in enumerate((446, 446, 1024, 990)):
        system.write(f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity", str(capacity))
    assert system.threads({0, 1, 2, 3}) == 2
    assert system.threads({0, 1}) == 2


def test_this_machine_gives_a_number() -> None:
    assert 1 <= usable_cores() <= len(psutil.Process().cpu_affinity())


def test_the_backend_says_why_it_takes_so_many_threads() -> None:
    chosen = choose_processors()
    assert f"{chosen.threads} thread" in NativeBackend().describe()
    assert chosen.reason in NativeBackend().describe()
    assert NativeBackend(threads=3, isa="portable").describe() == "native (portable, 3 threads)"


# -- processor quotas ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("quota", "threads"), [(100, 1), (149, 1), (150, 2), (200, 2), (20, 1), (1000, 4)])
def test_a_quota_limits_the_threads(system: FakeSystem, quota: int, threads: int) -> None:
    system.cores("0", "1", "2", "3")
    system.version_2("/")
    system.write("sys/fs/cgroup/cpu.max", f"{quota}000 100000")
    assert system.threads({0, 1, 2, 3}) == threads


def test_the_tightest_of_nested_groups_counts(system: FakeSystem) -> None:
    system.cores("0", "1", "2", "3")
    system.version_2("/user/app/worker")
    system.write("sys/fs/cgroup/user/cpu.max", "200000 100000")
    system.write("sys/fs/cgroup/user/app/cpu.max", "300000 100000")
    system.write("sys/fs/cgroup/user/app/worker/cpu.max", "max 100000")
    system.write("sys/fs/cgroup/other/cpu.max", "100000 100000")
    assert system.threads({0, 1, 2, 3}) == 2
    assert system.reason({0, 1, 2, 3}) == "the container's limit of 2 processors"


def test_a_group_seen_from_inside_a_container_is_the_root(system: FakeSystem) -> None:
    """Without a namespace of its own, a container sees the host's name of its group but only its own folder."""
    system.cores("0", "1", "2", "3")
    system.version_2("/docker/0123abcd", mounted="/docker/0123abcd")
    system.write("sys/fs/cgroup/cpu.max", "100000 100000")
    assert system.threads({0, 1, 2, 3}) == 1


def test_a_group_outside_of_what_is_shown_gives_what_is_shown(system: FakeSystem) -> None:
    system.cores("0", "1", "2", "3")
    system.version_2("/../../other")
    system.write("sys/fs/cgroup/cpu.max", "300000 100000")
    assert system.threads({0, 1, 2, 3}) == 3


def test_quotas_of_version_1_count_too(system: FakeSystem) -> None:
    system.cores("0", "1", "2", "3")
    system.version_1("/box")
    system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1")
    system.write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000")
    assert system.threads({0, 1, 2, 3}) == 4
    system.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us", "200000")
    system.write("sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us", "100000")
    assert system.threads({0, 1, 2, 3}) == 2


@pytest.mark.parametrize("text", ["max 100000", "", "nonsense", "100000 0", "100000"])
def test_no_quota_is_no_limit(system: FakeSystem, text: str) -> None:
    system.cores("0", "1")
    system.version_2("/")
    system.write("sys/fs/cgroup/cpu.max", text)
    assert system.threads({0, 1}) == 2


def test_a_system_that_tells_nothing_is_used_whole(system: FakeSystem) -> None:
    assert system.threads({0, 1}) == 2
    assert free_memory(system.root) > 1 << 20


# -- memory --------------------------------------------------------------------------------------------


def test_a_memory_limit_holds_and_file_cache_does_not_count_as_used(system: FakeSystem) -> None:
    system.version_2("/")
    system.write("sys/fs/cgroup/memory.max", "1000000")
    system.write("sys/fs/cgroup/memory.current", "900000")
    assert free_memory(system.root) == 100000
    system.write("sys/fs/cgroup/memory.stat", "anon 5\ninactive_file 200000")
    assert free_memory(system.root) == 300000


def test_the_tightest_memory_limit_around_the_process_counts(system: FakeSystem) -> None:
    system.version_2("/outer/inner")
    system.write("sys/fs/cgroup/outer/memory.max", "500000")
    system.write("sys/fs/cgroup/outer/memory.current", "400000")
    system.write("sys/fs/cgroup/outer/inner/memory.max", "1000000")
    system.write("sys/fs/cgroup/outer/inner/memory.current", "300000")
    assert free_memory(system.root) == 100000


def test_memory_limits_of_version_1_count_too(system: FakeSystem) -> None:
    system.version_1("/box")
    system.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "1000000")
    system.write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "900000")
    system.write("sys/fs/cgroup/memory/box/memory.stat", "inactive_file 1\ntotal_inactive_file 50000")
    assert free_memory(system.root) == 150000


def test_no_memory_limit_leaves_what_the_machine_has(system: FakeSystem) -> None:
    system.version_2("/")
    system.write("sys/fs/cgroup/memory.max", "max")
    assert free_memory(system.root) > 1 << 20


def test_memory_in_total_is_the_machines_or_the_tightest_limit(system: FakeSystem) -> None:
    assert total_memory(system.root) == psutil.virtual_memory().total
    system.version_2("/outer/inner")
    system.write("sys/fs/cgroup/outer/memory.max", "500000")
    system.write("sys/fs/cgroup/outer/inner/memory.max", "max")
    assert total_memory(system.root) == 500000
