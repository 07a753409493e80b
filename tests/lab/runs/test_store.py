"""Runs are kept as they are made, and gone on with where they stopped."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from sevenb.errors import NotFound
from sevenb.lab.results import ServiceLevel
from sevenb.lab.runs.store import RunStore
from sevenb.lab.target.target import Target, TargetFacts

TARGET = Target("http://127.0.0.1:8000/v1", "coder", "coder", api_key="secret-key")
FACTS = TargetFacts(engine="other 1.0", context_length=4096)
SUMMARY = ServiceLevel(1.0, 0.1)


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "lab")


def begin(store: RunStore, **settings: Any) -> Any:
    return store.begin("latency", TARGET, FACTS, {"contexts": (128, 256), **settings})


def test_a_finished_run_is_found_with_its_summary_and_samples(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("128/0", {"ttft": 0.5})
        run.finish(SUMMARY)
    record = store.find(run.record.id[:6])
    assert (record.state, record.summary) == ("done", {"ttft": 1.0, "tpot": 0.1})
    assert store.samples(record) == {"128/0": {"key": "128/0", "ttft": 0.5}}
    assert record.settings == {"contexts": [128, 256]}


def test_an_unfinished_run_goes_on(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("128/0", {"ttft": 0.5})
    assert store.find(run.record.id).state == "stopped"
    with begin(store) as again:
        assert again.record.id == run.record.id
        assert list(again.samples) == ["128/0"]
        again.keep("128/1", {"ttft": 0.6})
        again.finish(SUMMARY)
    record = store.find(run.record.id)
    assert list(store.samples(record)) == ["128/0", "128/1"]
    assert record.sessions == 2
    with begin(store) as next_one:
        assert next_one.record.id != run.record.id


def test_the_key_of_a_server_is_written_nowhere(store: RunStore) -> None:
    target = msgspec.structs.replace(TARGET, url="http://user:password@host/v1?token=secret-token")
    with store.begin("latency", target, None, {}) as run:
        run.keep("a", {})
    written = b"".join(path.read_bytes() for path in store.folder.rglob("*") if path.is_file())
    assert b"secret" not in written
    assert b"password" not in written


def test_an_unknown_run_is_told(store: RunStore) -> None:
    with pytest.raises(NotFound, match="sevenb runs"):
        store.find("abc")
