"""Contents of blocks outlive the pool in memory and on disk; damage, a full disk and other servers do no harm."""

import errno
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.engine import disk_tier
from sevenb.engine.block_store import MemoryTier, swap_bytes
from sevenb.engine.disk_tier import DiskTier

KEYS = [bytes([number]) * 16 for number in range(40)]


def contents_of(key: bytes, size: int = 1000) -> bytes:
    return (key * size)[:size]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "of prefixes"


@pytest.fixture
def disk(folder: Path) -> Iterator[DiskTier]:
    disk = DiskTier(folder, 1_000_000)
    yield disk
    disk.close()


def files_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def fill(disk: DiskTier, keys: list[bytes]) -> None:
    for key in keys:
        disk.put(key, contents_of(key), 0)
    disk.close()


# -- memory ------------------------------------------------------------------------------------------


def test_memory_keeps_what_came_last() -> None:
    memory = MemoryTier(2500)
    for key in KEYS[:4]:
        memory.put(key, contents_of(key))
    assert [key in memory for key in KEYS[:4]] == [False, False, True, True]
    assert memory.take(KEYS[2]) == contents_of(KEYS[2])
    assert memory.take(KEYS[2]) is None
    memory.put(KEYS[0], contents_of(KEYS[0]))
    assert memory.take(KEYS[3]) == contents_of(KEYS[3])


def test_the_same_key_twice_counts_once() -> None:
    memory = MemoryTier(2000)
    memory.put(KEYS[0], contents_of(KEYS[0]))
    for _ in range(5):
        memory.put(KEYS[1], contents_of(KEYS[1]))
    assert KEYS[0] in memory


def test_contents_larger_than_the_whole_tier_are_dropped() -> None:
    memory = MemoryTier(10)
    memory.put(KEYS[0], contents_of(KEYS[0]))
    assert KEYS[0] not in memory


@pytest.mark.parametrize(
    ("asked", "pool", "free", "expected"),
    [(None, 100, 10_000, 100), (None, 1000, 1400, 100), (None, 1000, 900, 0), (7, 1000, 900, 7), (0, 100, 10_000, 0)],
)
def test_swap_space_is_modest_unless_it_was_named(asked: int | None, pool: int, free: int, expected: int) -> None:
    assert swap_bytes(asked, pool_bytes=pool, free_bytes=free) == expected


# -- disk --------------------------------------------------------------------------------------------


def test_another_process_finds_what_was_written(folder: Path, disk: DiskTier) -> None:
    fill(disk, KEYS)
    other = DiskTier(folder, 1_000_000)
    assert [other.get(key, 0) for key in KEYS] == [contents_of(key) for key in KEYS]
    assert other.get(b"unknown".ljust(16), 0) is None
    other.close()


def test_the_folder_is_its_owners_alone(folder: Path, disk: DiskTier) -> None:
    fill(disk, KEYS[:1])
    (file,) = files_in(folder)
    assert file.stat().st_mode & 0o077 == 0
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "longer", "header", "another block"])
def test_a_damaged_file_is_deleted(folder: Path, disk: DiskTier, damage: str) -> None:
    fill(disk, KEYS[:2])
    file, other = files_in(folder)
    whole = file.read_bytes()
    file.write_bytes(
        {
            "truncated": whole[:-1],
            "empty": b"",
            "flipped": whole[:500] + bytes([whole[500] ^ 1]) + whole[501:],
            "longer": whole + b"\0",
            "header": b"x" + whole[1:],
            "another block": other.read_bytes(),
        }[damage]
    )
    assert disk.get(KEYS[0], 0) is None
    assert not file.exists()
    assert disk.get(KEYS[1], 0) == contents_of(KEYS[1])


def test_the_folder_stays_within_its_bytes(folder: Path) -> None:
    disk = DiskTier(folder, 10_000)
    fill(disk, KEYS)
    files = files_in(folder)
    assert 5_000 < sum(file.stat().st_size for file in files) <= 10_000


def test_what_was_used_least_recently_goes_first(folder: Path, disk: DiskTier) -> None:
    fill(disk, KEYS[:9])
    now = time.time()
    for age, key in enumerate(KEYS[:9]):
        os.utime(disk._path(key), (now - 1000 * age, now - 1000 * age))
    assert disk.touch(KEYS[8], 0)
    assert disk.get(KEYS[7], 0)
    small = DiskTier(folder, 6_000)
    fill(small, KEYS[9:10])
    left = {key for key in KEYS if disk.get(key, 0)}
    assert left == {KEYS[9], KEYS[8], KEYS[7], KEYS[0], KEYS[1]}


def test_a_chain_loses_its_end_first(folder: Path, disk: DiskTier) -> None:
    for place, key in enumerate(KEYS[:9]):
        disk.put(key, contents_of(key), place)
    disk.close()
    small = DiskTier(folder, 6_000)
    fill(small, KEYS[9:10])
    assert {key for key in KEYS if disk.get(key, 0)} == {*KEYS[:4], KEYS[9]}


def test_two_servers_share_a_folder(folder: Path) -> None:
    one, two = DiskTier(folder, 15_000), DiskTier(folder, 15_000)
    for key in KEYS:
        one.put(key, contents_of(key), 0)
        two.put(key, contents_of(key), 0)
    one.close()
    two.close()
    assert one.writable
    assert two.writable
    kept = [contents for key in KEYS if (contents := one.get(key, 0))]
    assert len(kept) > 5
    assert set(kept) <= {contents_of(key) for key in KEYS}
    assert sum(file.stat().st_size for file in files_in(folder)) <= 30_000


def test_leftovers_of_a_killed_process_are_cleared_away(
    folder: Path, disk: DiskTier, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(disk, KEYS[:1])
    leftover = files_in(folder)[0].with_suffix(".123-abc")
    leftover.write_bytes(b"half a bl")
    fill(DiskTier(folder, 1_000_000), KEYS[1:2])
    assert leftover.exists()  # perhaps another server writes it at this moment
    monkeypatch.setattr(disk_tier, "STALE_SECONDS", -1.0)
    fill(DiskTier(folder, 1_000_000), KEYS[2:3])
    assert not leftover.exists()


def test_a_full_disk_costs_one_warning(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    disk = DiskTier(folder, 1_000_000)
    fill(disk, KEYS[:1])

    def refuse(path: Path, place: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    disk = DiskTier(folder, 1_000_000)
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(disk_tier, "_mark_used", refuse)
        fill(disk, KEYS[1:])
    disk.put(KEYS[1], contents_of(KEYS[1]), 0)
    assert not disk.writable
    assert [record.message for record in caplog.records] == [
        f"The prefix cache is no longer written to {folder} (No space left on device); free space or name another "
        "folder, and restart."
    ]
    assert disk.get(KEYS[0], 0) == contents_of(KEYS[0])  # what is there is still of use
    assert len(files_in(folder)) == 1


def test_a_file_size_limit_of_the_process_is_a_full_disk_too(folder: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from sevenb.engine.disk_tier import DiskTier\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))\n"
        "disk = DiskTier(Path(sys.argv[1]), 10**6)\n"
        "disk.put(b'k' * 16, b'x' * 1000, 0); disk.close(); print(disk.writable)"
    )
    result = subprocess.run([sys.executable, "-c", script, folder], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"
    assert result.stderr.count("no longer written") == 1
    assert files_in(folder) == []


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    disk = DiskTier(blocked / "cache", 1_000_000)
    fill(disk, KEYS)
    assert disk.get(KEYS[0], 0) is None
    assert not disk.writable
    assert len(caplog.records) == 1


def test_a_disk_that_lags_behind_does_not_fill_the_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_tier, "QUEUE_BYTES", 3_500)
    disk = DiskTier(folder, 1_000_000)
    disk.close()  # nobody takes from the queue any more
    for key in KEYS:
        disk.put(key, contents_of(key), 0)
    assert len(disk._queue) == 3


def test_a_process_killed_while_it_writes_leaves_a_sound_folder(folder: Path) -> None:
    script = (
        "import sys, itertools; from pathlib import Path; from sevenb.engine.disk_tier import DiskTier\n"
        "disk = DiskTier(Path(sys.argv[1]), 10**9)\n"
        "print('started', flush=True)\n"
        "for number in itertools.count():\n"
        "    key = number.to_bytes(16, 'little')\n"
        "    disk.put(key, (key * 10_000), 0)"
    )
    with subprocess.Popen([sys.executable, "-c", script, folder], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while len(files_in(folder)) < 20:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    disk = DiskTier(folder, 10**9)
    whole = [path for path in files_in(folder) if path.suffix == ".kv"]
    keys = [bytes.fromhex(path.stem) for path in whole]
    assert [disk.get(key, 0) for key in keys] == [key * 10_000 for key in keys]
    disk.close()
