"""Nothing that was measured is lost: programs killed, disks full, files damaged, several programs at once."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.errors import Conflict, RunDamaged
from sevenb.lab.runs.store import RunStore
from tests.lab.runs.test_store import SUMMARY, begin

BEGIN = """
import os, resource, sys
from pathlib import Path
from sevenb.errors import SevenbError
from sevenb.lab.results import ServiceLevel
from sevenb.lab.runs.store import RunStore
from tests.lab.runs.test_store import begin

store = RunStore(Path(sys.argv[1]))
"""
REPOSITORY = Path(__file__).parents[3]


def program(store: RunStore, source: str) -> "subprocess.Popen[str]":
    """Another process that uses the same store."""
    command = [sys.executable, "-c", BEGIN + source, str(store.folder)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip


def test_every_sample_kept_before_a_kill_is_there_afterwards(store: RunStore) -> None:
    killed = program(
        store,
        """
with begin(store) as run:
    for number in range(10_000_000):
        run.keep(str(number), {"text": "x" * 500})
        print(number, flush=True)
""",
    )
    assert killed.stdout is not None
    told = [killed.stdout.readline() for _ in range(500)]
    os.kill(killed.pid, signal.SIGKILL)
    rest = killed.communicate()[0]
    kept = [line for line in [*told, *rest.splitlines(keepends=True)] if line.endswith("\n")]
    (record,) = store.records()
    assert record.state == "stopped"
    assert len(store.samples(record)) >= len(kept) >= 500
    with begin(store) as run:
        assert run.record.id == record.id
        assert list(run.samples)[: len(kept)] == [str(number) for number in range(len(kept))]


def test_half_a_last_line_is_dropped_and_its_item_measured_again(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("whole", {"ttft": 1})
    path = run.record.path / "samples.jsonl"
    with path.open("ab") as file:
        file.write(b'{"key": "torn", "ttf')
    assert list(store.samples(run.record)) == ["whole"]
    with begin(store) as again:
        assert list(again.samples) == ["whole"]
        again.keep("torn", {"ttft": 2})
    assert [json.loads(line)["key"] for line in path.read_text().splitlines()] == ["whole", "torn"]


def test_damaged_lines_in_the_middle_cost_only_themselves(store: RunStore) -> None:
    with begin(store) as run:
        for key in "abc":
            run.keep(key, {})
    path = run.record.path / "samples.jsonl"
    path.write_bytes(path.read_bytes().replace(b'{"key":"b"}', b"\xff\x00\xfe nonsense"))
    assert list(store.samples(run.record)) == ["a", "c"]
    path.write_bytes(b'[1]\n{"key": 3}\n"a"\nnull\n' + path.read_bytes())
    with begin(store) as again:
        assert list(again.samples) == ["a", "c"]


def test_a_full_disk_is_told_and_loses_nothing(store: RunStore) -> None:
    full = program(
        store,
        """
with begin(store) as run:
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    for number in range(1000):
        try:
            run.keep(str(number), {"text": "x" * 999})
        except SevenbError as error:
            print(number, error)
            break
    run.keep("short", {})
""",
    )
    told, problems = full.communicate()
    assert full.returncode == 0, problems
    number, _, sentence = told.partition(" ")
    assert "is full; what was measured so far is kept" in sentence
    (record,) = store.records()
    assert list(store.samples(record)) == [*map(str, range(int(number))), "short"]
    assert (record.path / "samples.jsonl").stat().st_size <= 100_000


def test_a_disk_that_is_full_at_the_end_leaves_the_run_to_be_finished(store: RunStore) -> None:
    full = program(
        store,
        """
with begin(store) as run:
    run.keep("a", {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20, 20))
    run.finish(ServiceLevel(1, 1))
""",
    )
    assert "StorageFull" in full.communicate()[1]
    (record,) = store.records()
    assert (record.state, list(store.samples(record))) == ("stopped", ["a"])
    with begin(store) as run:
        assert run.record.id == record.id
        run.finish(SUMMARY)
    assert store.find(record.id).state == "done"


def test_a_run_under_way_is_seen_by_others_and_left_alone(store: RunStore) -> None:
    other = program(
        store,
        """
with begin(store) as run:
    run.keep("a", {})
    print(run.record.id, flush=True)
    sys.stdin.readline()
    run.finish(ServiceLevel(1, 1))
""",
    )
    assert other.stdout is not None
    id = other.stdout.readline().strip()
    record = store.find(id)
    assert (record.state, list(store.samples(record))) == ("running", ["a"])
    with begin(store) as ours:  # the same work: each makes its own
        assert ours.record.id != id
        ours.keep("b", {})
    with pytest.raises(Conflict, match="under way"):
        store.remove(id)
    other.communicate("end\n")
    assert {record.id: record.state for record in store.records()} == {id: "done", ours.record.id: "stopped"}


def test_many_programs_may_begin_at_once(store: RunStore) -> None:
    source = """
for number in range(5):
    with begin(store, program=sys.stdin.readline()) as run:
        run.keep("a", {})
        run.finish(ServiceLevel(1, 1))
"""
    programs = [program(store, source) for _ in range(3)]
    for number, each in enumerate(programs):
        assert each.stdin is not None
        each.stdin.write(f"{number}\n" * 5)
        each.stdin.flush()
    for each in programs:
        _, problems = each.communicate()
        assert each.returncode == 0, problems
    assert [record.state for record in store.records()] == ["done"] * 15
    with sqlite3.connect(store.folder / "lab.db") as table:
        assert table.execute("SELECT count(*) FROM runs WHERE state = 'done'").fetchone() == (15,)


@pytest.mark.parametrize("damage", [b"", b"no database", None], ids=["emptied", "overwritten", "page"])
def test_a_damaged_index_is_made_anew_from_the_folders(store: RunStore, damage: bytes | None) -> None:
    for number in range(6):
        with begin(store, number=number) as run:
            run.finish(SUMMARY)
    path = store.folder / "lab.db"
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xab" * (len(whole) - 4096) if damage is None else damage)
    assert len(store.records()) == 6
    with sqlite3.connect(path) as table:
        query = "SELECT count(*), sum(json_extract(summary, '$.ttft')) FROM runs"
        assert table.execute(query).fetchone() == (6, 6.0)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"id": 3}', "\x00\xff"])
def test_a_record_edited_into_nonsense_is_told_and_hinders_nobody(store: RunStore, content: str) -> None:
    with begin(store) as run:
        run.keep("a", {})
    with begin(store, other=True) as sound:
        pass
    (run.record.path / "run.json").write_text(content)
    assert [record.id for record in store.records()] == [sound.record.id]
    (sentence,) = store.damaged()
    assert run.record.id in sentence
    assert "sevenb runs rm" in sentence
    with pytest.raises(RunDamaged, match="cannot be read"):
        store.find(run.record.id)
    with begin(store) as again:  # nothing of the damaged one is touched
        assert again.record.id != run.record.id
    assert (run.record.path / "run.json").read_text() == content
    store.remove(run.record.id)
    assert not store.damaged()


def test_a_record_that_was_lost_leaves_its_samples(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("a", {})
    (run.record.path / "run.json").unlink()
    (sentence,) = store.damaged()
    assert str(run.record.path / "samples.jsonl") in sentence


def test_a_summary_edited_into_nonsense_is_told(store: RunStore) -> None:
    with begin(store) as run:
        run.finish(SUMMARY)
    path = run.record.path / "run.json"
    path.write_text(path.read_text().replace('"ttft": 1.0', '"ttft": "soon"'))
    with pytest.raises(RunDamaged, match="measure it anew"):
        store.find(run.record.id).result(type(SUMMARY))


@pytest.fixture
def foreign_store() -> Iterator[RunStore]:
    """A store that the programs of another user can see but not write."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = RunStore(folder / "lab")
        with begin(store) as run:
            run.keep("a", {})
            run.finish(SUMMARY)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        yield store
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)


def test_a_read_only_folder_can_be_read_and_is_told_when_written(foreign_store: RunStore) -> None:
    reader = program(
        foreign_store,
        """
if os.geteuid() == 0:  # whom no permission stops
    os.seteuid(65534)
(record,) = store.records()
print(record.state, *store.samples(record))
try:
    begin(store)
except SevenbError as error:
    print(error)
""",
    )
    told, problems = reader.communicate()
    assert reader.returncode == 0, problems
    assert told.splitlines()[0] == "done a"
    assert "cannot be written by this user; make it writable, or set SEVENB_LAB" in told
