"""Runs are kept as they are made, and gone on with where they stopped."""

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


def test_fresh_begins_anew(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("a", {})
    with store.begin("latency", TARGET, FACTS, run.record.settings, fresh=True) as again:
        assert again.record.id != run.record.id
        assert not again.samples


OTHER_WORK = {
    "settings": {"settings": {"contexts": [128]}},
    "kind": {"kind": "load"},
    "model": {"target": msgspec.structs.replace(TARGET, model="other")},
    "server": {"target": msgspec.structs.replace(TARGET, url="http://127.0.0.1:8001/v1")},
    "quantization": {"facts": msgspec.structs.replace(FACTS, quantization="Q4_K_M")},
    "no facts": {"facts": None},
}


@pytest.mark.parametrize("changed", OTHER_WORK)
def test_other_work_begins_anew(store: RunStore, changed: str) -> None:
    work = {"kind": "latency", "target": TARGET, "facts": FACTS, "settings": {"contexts": (128, 256)}}
    with store.begin(**work) as run:
        run.keep("a", {})
    with store.begin(**{**work, **OTHER_WORK[changed]}) as other:
        assert not other.samples
    with store.begin(**work) as again:
        assert list(again.samples) == ["a"]


def test_our_own_server_is_known_again_at_another_port(store: RunStore) -> None:
    """It is started anew for each session, with as much context as there is memory just then."""
    own = msgspec.structs.replace(FACTS, engine="sevenb 0.1.0")
    with store.begin("latency", TARGET, own, {}) as run:
        run.keep("a", {})
    moved = msgspec.structs.replace(TARGET, url="http://127.0.0.1:41234/v1")
    with store.begin("latency", moved, msgspec.structs.replace(own, context_length=8192), {}) as again:
        assert list(again.samples) == ["a"]
        assert again.record.target.url == moved.url


def test_names_of_runs_may_be_shortened_while_they_are_clear(store: RunStore) -> None:
    ids = []
    for number in range(17):  # two begin alike
        with begin(store, number=number) as run:
            ids.append(run.record.id)
    first = next(id[0] for id in ids if sum(other[0] == id[0] for other in ids) > 1)
    with pytest.raises(NotFound, match="Several runs begin with"):
        store.find(first)
    store.remove(ids[0])
    with pytest.raises(NotFound):
        store.find(ids[0])
    assert len(store.records("latency")) == 16
    assert not store.records("load")


def test_what_json_does_not_know_is_kept_as_near_as_it_can_be(store: RunStore) -> None:
    with begin(store) as run:
        run.keep("a", {"text": "half \ud83d of it\n\u2028", "scores": (1.5, float("-inf")), "level": SUMMARY})
    expected = {"key": "a", "text": "half ? of it\n\u2028", "scores": [1.5, None], "level": {"ttft": 1.0, "tpot": 0.1}}
    assert run.samples == store.samples(run.record) == {"a": expected}
