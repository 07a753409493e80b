"""Load is what was asked for, and every request is counted as what became of it."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import InvalidRequest, TargetFailed
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import LoadSummary, ServiceLevel
from sevenb.lab.runs.store import RunStore
from sevenb.lab.speed.load import measure_load
from sevenb.lab.speed.load_rows import Lengths, LoadSample, row_of
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from tests.lab.speed.paced_server import PacedServer, paced_server
from tests.lab.speed.words import Words
from tests.lab.target.raw_server import Connection, event, raw_server

LENGTHS = {"input_tokens": 96, "output_tokens": 16}


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "lab")


def load(server: PacedServer, store: RunStore, **options: Any) -> LoadSummary:
    async def measured() -> LoadSummary:
        async with Client(Target(server.url, "paced", "paced"), timeout=20) as client:
            return await measure_load(client, store, progress=silent_progress(), **{**LENGTHS, **options})

    return asyncio.run(measured())


def test_each_client_has_one_request_at_a_time(store: RunStore) -> None:
    with paced_server() as server:
        summary = load(server, store, clients=(1, 3), num_prompts=6)
        one, three = summary.rows
        assert [(row.clients, row.requests, row.failed) for row in summary.rows] == [(1, 6, 0), (3, 6, 0)]
        assert server.most_at_once == 3
        assert len(server.bodies) == 12
    assert (one.prompt_tokens, one.output_tokens) == (6 * 96, 6 * 16)
    assert one.notes == three.notes == ()
    assert one.ttft is not None and one.tpot is not None and one.e2e is not None  # noqa: PT018
    # A sleep never ends early, so the server's pace is a floor; a busy machine has no ceiling.
    assert one.ttft.low >= server.ttft
    assert one.tpot.low >= server.tpot
    assert one.seconds >= 6 * (server.ttft + 15 * server.tpot)
    assert one.output_rate == pytest.approx(6 * 16 / one.seconds)
    assert one.request_rate == pytest.approx(6 / one.seconds)
    assert three.seconds >= 2 * (server.ttft + 15 * server.tpot)


def test_prompts_never_begin_alike_and_answers_have_a_fixed_length(store: RunStore) -> None:
    with paced_server() as server:
        load(server, store, clients=(2,), num_prompts=8)
        beginnings = {body["messages"][0]["content"][:40] for body in server.bodies}
        assert len(beginnings) == 8
        assert all(body["ignore_eos"] and body["max_tokens"] == 16 for body in server.bodies)


def test_requests_come_by_chance_at_the_rate_that_was_asked_for(store: RunStore) -> None:
    with paced_server(ttft=0.2) as server:
        (row,) = load(server, store, clients=(), request_rates=(40.0,), num_prompts=20).rows
        kept = store.samples(store.records("load")[0])
    assert (row.offered_rate, row.requests) == (40.0, 20)
    assert row.clients > 4  # those that came later did not wait for the first
    starts = [sample["started"] for key, sample in kept.items() if "/" in key]
    gaps = [later - sooner for sooner, later in zip(sorted(starts), sorted(starts)[1:], strict=False)]
    assert max(gaps) > 3 * min(gaps)  # no even beat


def test_a_level_may_last_a_time_instead_of_a_number(store: RunStore) -> None:
    with paced_server() as server:
        (row,) = load(server, store, clients=(2,), seconds=0.5).rows
    assert row.requests >= 2
    assert row.seconds >= 0.5


def test_goodput_counts_what_met_the_whole_level() -> None:
    def sample(ttft: float, tpot: float, waited: float = 0.0) -> LoadSample:
        answer = Answer(
            text="", finish_reason="length", prompt_tokens=10, cached_tokens=0, completion_tokens=3,
            chunks=(ttft, ttft + tpot, ttft + 2 * tpot), seconds=ttft + 2 * tpot, waited=waited,
        )  # fmt: skip
        return LoadSample(1, 0.0, 2.0, answer)

    samples = [
        sample(0.5, 0.1),
        sample(1.5, 0.1),  # begins too late
        sample(0.5, 0.3),  # goes on too slowly
        sample(0.5, 0.1, waited=1.0),  # was sent away first
        LoadSample(1, 0.0, 2.0, error="broken"),
        LoadSample(1, 0.0, 4.0, error="broken"),
    ]
    row = row_of(samples, ServiceLevel(ttft=1.0, tpot=0.2), Lengths(10, 3), clients=6)
    assert row.goodput == pytest.approx(1 / 4)
    assert row.request_rate == pytest.approx(4 / 4)
    assert (row.requests, row.failed, row.reasons) == (6, 2, {"broken": 2})
    assert row.ttft is not None
    assert (row.ttft.count, row.ttft.high) == (4, 1.5)


def test_what_nobody_counts_the_tokens_of_met_no_level() -> None:
    answer = Answer(
        text="", finish_reason="length", prompt_tokens=None, cached_tokens=None, completion_tokens=None,
        chunks=(0.1, 0.9, 1.7), seconds=1.7,
    )  # fmt: skip
    row = row_of([LoadSample(1, 0.0, 2.0, answer)], ServiceLevel(ttft=1.0, tpot=0.2), Lengths(10, 3), clients=1)
    assert row.goodput == 0
    assert "nor goodput" in row.notes[0]


def test_failed_requests_are_counted_with_their_reasons_and_in_no_percentile(store: RunStore) -> None:
    with paced_server(refuse=lambda number: (500, "out of blocks") if number % 4 == 0 else None) as server:
        (row,) = load(server, store, clients=(2,), num_prompts=12).rows
    assert (row.requests, row.failed) == (12, 3)
    (reason,) = row.reasons
    assert "out of blocks" in reason
    assert row.ttft is not None
    assert row.ttft.count == 9
    assert row.output_tokens == 9 * 16


def test_a_server_that_refuses_everything_is_told(store: RunStore) -> None:
    with paced_server(refuse=lambda number: (400, "too long for this model")) as server:
        with pytest.raises(TargetFailed, match="too long for this model"):
            load(server, store, clients=(1, 2), num_prompts=4)
        assert len(server.bodies) == 4


def test_levels_that_were_measured_are_kept_when_the_server_dies(store: RunStore) -> None:
    with paced_server(dies_at=8) as server:
        with pytest.raises(TargetFailed, match="closed the connection"):
            load(server, store, clients=(1, 2), num_prompts=6)
        (stopped,) = store.records("load")
        assert stopped.state == "stopped"
        server.dies_at = None
        before = len(server.bodies)
        summary = load(server, store, clients=(1, 2), num_prompts=6)
        assert len(server.bodies) == before + 6  # the second level anew, the first not at all
    assert [(row.clients, row.failed) for row in summary.rows] == [(1, 0), (2, 0)]
    (done,) = store.records("load")
    assert (done.id, done.state, done.sessions) == (stopped.id, "done", 2)
    assert done.result(LoadSummary) == summary


def test_a_level_in_which_a_server_shut_down_is_not_kept(store: RunStore) -> None:
    words, is_gone, asked = Words(), False, 0

    async def until_it_shuts_down(connection: Connection) -> None:
        nonlocal is_gone, asked
        if is_gone:
            connection.reset()
        elif connection.body["max_tokens"] == 16 and (asked := asked + 1) == 4:  # the level's last
            is_gone = True
            await connection.head()
            await connection.send(event({"error": {"message": "The server is shutting down."}}))
        else:
            await words(connection)

    async def measure() -> LoadSummary:
        async with raw_server(until_it_shuts_down) as raw, Client(Target(raw.url, "m", "m"), timeout=20) as client:
            return await measure_load(
                client, store, clients=(1,), num_prompts=4, input_tokens=100, output_tokens=16,
                progress=silent_progress(),
            )  # fmt: skip

    with pytest.raises(TargetFailed, match="closed the connection"):
        asyncio.run(measure())
    (stopped,) = store.records("load")
    assert "clients 1" not in store.samples(stopped)


def test_a_connection_that_breaks_is_a_failed_request_where_the_server_lives_on(store: RunStore) -> None:
    with paced_server(refuse=lambda number: (0, "") if number in (3, 4) else None) as server:
        (row,) = load(server, store, clients=(1,), num_prompts=6).rows
    assert row.failed == 1


def test_lengths_are_verified(store: RunStore) -> None:
    with paced_server(honours_ignore_eos=False, cached=50) as server:
        (row,) = load(server, store, clients=(1,), num_prompts=2).rows
    assert [note for note in row.notes if "not 16" in note and "ignore_eos" in note]
    assert [note for note in row.notes if "52% of the prompts' tokens came out of the server's cache" in note]


@pytest.mark.parametrize(
    "options",
    [
        {"clients": ()},
        {"clients": (0,)},
        {"clients": (), "request_rates": (-1.0,)},
        {"num_prompts": 0},
        {"seconds": float("inf")},
        {"num_prompts": 5, "seconds": 5.0},
        {"input_tokens": 5},
    ],
)
def test_load_that_is_none_is_told(store: RunStore, options: dict[str, Any]) -> None:
    with paced_server() as server, pytest.raises(InvalidRequest):
        load(server, store, **options)
