"""What a container may use is read from its limits, not from the machine's size."""

from pathlib import Path

import psutil

from sevenb.backend.native.host import free_memory, usable_cores


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_hardware_threads_of_one_core_count_once(tmp_path: Path) -> None:
    for cpu in range(psutil.cpu_count() or 1):
        write(tmp_path / f"cpu{cpu}/topology/core_id", "0\n")
        write(tmp_path / f"cpu{cpu}/topology/physical_package_id", "0\n")
    assert usable_cores(cpus=tmp_path, cgroup=tmp_path) == 1


def test_processors_without_topology_count_each(tmp_path: Path) -> None:
    assert usable_cores(cpus=tmp_path, cgroup=tmp_path) == len(psutil.Process().cpu_affinity())


def test_a_processor_quota_limits_the_cores(tmp_path: Path) -> None:
    write(tmp_path / "cpu.max", "100000 100000\n")
    assert usable_cores(cpus=tmp_path, cgroup=tmp_path) == 1
    write(tmp_path / "cpu.max", "50000 100000\n")
    assert usable_cores(cpus=tmp_path, cgroup=tmp_path) == 1


def test_no_quota_is_no_limit(tmp_path: Path) -> None:
    write(tmp_path / "cpu.max", "max 100000\n")
    assert usable_cores(cpus=tmp_path, cgroup=tmp_path) == len(psutil.Process().cpu_affinity())


def test_a_memory_limit_holds_and_file_cache_does_not_count_as_used(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "1000000\n")
    write(tmp_path / "memory.current", "900000\n")
    assert free_memory(cgroup=tmp_path) == 100000
    write(tmp_path / "memory.stat", "anon 5\ninactive_file 200000\n")
    assert free_memory(cgroup=tmp_path) == 300000


def test_no_memory_limit_leaves_what_the_machine_has(tmp_path: Path) -> None:
    write(tmp_path / "memory.max", "max\n")
    assert free_memory(cgroup=tmp_path) > 1 << 20
