"""A task is asked as wide as it goes, every answer is kept, and what stops is gone on with."""

import asyncio
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import DataUnavailable, InvalidRequest, TargetFailed, TargetRefused
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import DataFacts, TaskSummary
from sevenb.lab.runs import machine
from sevenb.lab.runs.store import RunStore
from sevenb.lab.statistics import rate
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from sevenb.lab.tasks.evaluation import evaluate, spread_evenly
from sevenb.lab.tasks.summary import pass_at_k
from sevenb.lab.tasks.task import Item, Messages, Score, Task
from tests.lab.target.raw_server import DONE, Connection, RawServer, chunk, event, raw_server, stream
from tests.lab.tasks.scripted_server import Dead, Refusal, ScriptedServer, serve


class Sums(Task):
    """Doubles numbers; strict wants the number alone, flexible wants it at the end."""

    name, title, preset, metric, shots = "sums", "Sums", "plain", "exact match", 0
    template, extraction, max_tokens = "the sum", "the number", 16

    def __init__(self, count: int, before: str = "") -> None:
        self.count = count
        self.before = before
        self.scored = 0

    def load(self, data: DataFinder) -> tuple[list[Item], DataFacts]:
        items = [Item(str(n), "even" if n % 2 == 0 else "odd", {"n": n}) for n in range(self.count)]
        return items, DataFacts("sums", "folder", "0" * 64, "MIT", len(items))

    def prompt(self, item: Item) -> Messages | str:
        return [{"role": "user", "content": f"{self.before}{item.fields['n']}"}]

    def score(self, item: Item, answer: Answer) -> Score:
        self.scored += 1
        expected = str(2 * item.fields["n"])
        found = answer.text.split()[-1] if answer.text else None
        return Score(answer.text == expected, found == expected, found)


def double(question: str) -> str:
    return str(2 * int(question))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunStore:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.01)
    return RunStore(tmp_path / "lab")


async def measure(server: ScriptedServer | RawServer, task: Task, store: RunStore, **settings: Any) -> TaskSummary:
    async with Client(Target(server.url, "scripted", "scripted"), timeout=60) as client:
        return await evaluate(task, client, store, progress=silent_progress(), **settings)


def kept(store: RunStore) -> Mapping[str, Mapping[str, Any]]:
    return store.samples(store.records("eval:sums")[0])


def test_every_answer_is_scored_counted_and_kept(store: RunStore) -> None:
    def script(question: str) -> str:
        return {"0": "", "1": "2", "2": "it is 4"}.get(question, "no")

    with serve(script, finish_reason="length") as server:
        summary = asyncio.run(measure(server, Sums(4), store))
    assert (summary.strict.right, summary.flexible.right, summary.strict.of, summary.of) == (1, 2, 4, 4)
    assert (summary.truncated, summary.unparsed, summary.failed) == (4, 1, 0)
    assert summary.output_tokens == 5
    assert {name: share.right for name, share in summary.groups.items()} == {"even": 0, "odd": 1}
    record = store.records("eval:sums")[0]
    assert record.state == "done"
    assert kept(store)["2"]["messages"] == [{"role": "user", "content": "2"}]
    assert kept(store)["2"]["answer"] == "it is 4"
    assert kept(store)["2"]["score"] == {"strict": False, "flexible": True, "found": "4", "note": ""}


def test_requests_are_open_together_as_many_as_is_said(store: RunStore) -> None:
    together = threading.Barrier(3, timeout=60)  # breaks unless three requests are open at once

    def script(question: str) -> str:
        together.wait()
        return double(question)

    with serve(script) as server:
        summary = asyncio.run(measure(server, Sums(6), store, concurrency=3))
    assert summary.strict.right == 6
    assert server.at_once == 3
    assert summary.settings["concurrency"] == 3


def test_a_long_common_beginning_is_computed_once_before_the_others_are_asked(store: RunStore) -> None:
    before = "1" * 2000
    with serve(lambda question: "2") as server:
        asyncio.run(measure(server, Sums(5, before), store, concurrency=4))
        first_alone = server.asked[0]
    assert first_alone == f"{before}0"


def test_a_run_whose_server_died_goes_on_where_it_stopped(store: RunStore) -> None:
    alive = False

    def script(question: str) -> str:
        if question == "5" and not alive:
            raise Dead
        return double(question)

    with serve(script) as server:
        with pytest.raises(TargetFailed, match="closed the connection"):
            asyncio.run(measure(server, Sums(8), store, concurrency=1))
        assert store.records("eval:sums")[0].state == "stopped"
        assert set(kept(store)) == set("01234")
        alive = True
        server.bodies.clear()
        summary = asyncio.run(measure(server, Sums(8), store))
        assert sorted(server.asked) == list("567")
    assert (summary.strict.right, summary.strict.of) == (8, 8)


def test_answers_that_came_are_kept_when_it_is_interrupted(store: RunStore) -> None:
    asked_all = threading.Event()
    released = threading.Event()

    def script(question: str) -> str:
        if question == "3":
            asked_all.set()
            released.wait(100)
        return double(question)

    async def interrupted(server: ScriptedServer) -> None:
        work = asyncio.create_task(measure(server, Sums(4), store, concurrency=1))
        await asyncio.to_thread(asked_all.wait, 100)
        work.cancel()
        await work

    with serve(script) as server:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(interrupted(server))
        released.set()
    assert set(kept(store)) == set("012")
    assert store.records("eval:sums")[0].state == "stopped"


def test_answers_are_scored_and_kept_also_when_it_is_interrupted_meanwhile(store: RunStore) -> None:
    scoring, released = threading.Event(), threading.Event()

    class Slow(Sums):
        def score(self, item: Item, answer: Answer) -> Score:
            scoring.set()
            released.wait(100)
            return super().score(item, answer)

    async def interrupted(server: ScriptedServer) -> None:
        work = asyncio.create_task(measure(server, Slow(1), store))
        await asyncio.to_thread(scoring.wait, 100)
        work.cancel()
        threading.Timer(0.2, released.set).start()
        await work

    with serve(double) as server, pytest.raises(asyncio.CancelledError):
        asyncio.run(interrupted(server))
    assert kept(store)["0"]["score"]["strict"] is True


def test_a_refused_request_counts_as_failed_and_the_others_go_on(store: RunStore) -> None:
    def script(question: str) -> str:
        if question == "2":
            raise Refusal("the prompt is too long")
        return double(question)

    with serve(script) as server:
        summary = asyncio.run(measure(server, Sums(5), store))
    assert (summary.failed, summary.strict.right, summary.strict.of) == (1, 4, 5)
    assert "the prompt is too long" in kept(store)["2"]["error"]


def test_a_server_that_shuts_down_in_the_middle_of_an_answer_stops_the_run(store: RunStore) -> None:
    async def last_words(connection: Connection) -> None:
        await connection.head()
        await connection.send(event({"error": {"message": "The server is shutting down.", "code": "not_ready"}}))

    async def gone(connection: Connection) -> None:
        connection.reset()

    async def first_session() -> TaskSummary:
        async with raw_server(stream(chunk("0"), chunk(finish="stop"), DONE), last_words, gone) as raw:
            return await measure(raw, Sums(5), store, concurrency=1)

    with pytest.raises(TargetFailed, match="closed the connection"):
        asyncio.run(first_session())
    assert store.records("eval:sums")[0].state == "stopped"
    assert set(kept(store)) == {"0"}, "no item counts as failed for it"


def test_an_engine_that_is_started_anew_answers_what_broke_off(store: RunStore) -> None:
    async def broken_off(connection: Connection) -> None:
        await connection.head()
        await connection.send(event({"error": {"message": "The engine process ended.", "code": "engine_died"}}))

    async def session() -> TaskSummary:
        async with raw_server(*[broken_off] * 20, stream(chunk("0"), chunk(finish="stop"), DONE)) as raw:
            return await measure(raw, Sums(40), store, concurrency=20)

    assert asyncio.run(session()).failed == 0


def test_a_server_that_refuses_everything_is_given_up(store: RunStore) -> None:
    def script(question: str) -> str:
        raise Refusal("this model has no chat template")

    with serve(script) as server, pytest.raises(TargetRefused, match="no chat template"):
        asyncio.run(measure(server, Sums(50), store, concurrency=1))
    assert len(server.asked) < 20


def test_few_items_that_are_all_refused_are_no_result(store: RunStore) -> None:
    def script(question: str) -> str:
        raise Refusal("this model has no chat template")

    with serve(script) as server, pytest.raises(TargetRefused, match="no chat template"):
        asyncio.run(measure(server, Sums(2), store))


def test_no_items_are_an_error(store: RunStore) -> None:
    with serve(double) as server, pytest.raises(DataUnavailable, match="holds no items"):
        asyncio.run(measure(server, Sums(0), store))


@pytest.mark.parametrize("settings", [{"limit": 0}, {"concurrency": 0}, {"max_tokens": 0}, {"samples": 0}])
def test_settings_that_leave_nothing_to_ask_are_an_error(store: RunStore, settings: dict[str, int]) -> None:
    with serve(double) as server, pytest.raises(InvalidRequest, match="leaves nothing to ask"):
        asyncio.run(measure(server, Sums(3), store, **settings))


def test_several_samples_give_pass_at_k(store: RunStore) -> None:
    answers = iter(["0", "no", "no", "no"])  # to item 0: one of two is right; to item 1: none
    with serve(lambda question: next(answers)) as server:
        summary = asyncio.run(measure(server, Sums(2), store, samples=2, temperature=0.8, concurrency=1))
    assert summary.pass_at == {"pass@1": 0.25, "pass@2": 0.5}
    assert (summary.strict.right, summary.strict.of, summary.strict.high) == (1, 4, rate(1, 4, 2).high)
    assert sorted({body["seed"] for body in server.bodies}) == [0, 1]


def test_several_greedy_samples_are_refused(store: RunStore) -> None:
    with serve(double) as server, pytest.raises(InvalidRequest, match="--temperature"):
        asyncio.run(measure(server, Sums(2), store, samples=2))


@pytest.mark.parametrize(
    ("n", "c", "k", "expected"), [(10, 0, 1, 0.0), (10, 3, 1, 0.3), (4, 2, 2, 5 / 6), (5, 4, 2, 1)]
)
def test_pass_at_k_is_the_chance_of_a_draw_without_repetition(n: int, c: int, k: int, expected: float) -> None:
    assert pass_at_k(n, c, k) == pytest.approx(expected)


def groups(items: Sequence[Item]) -> list[str]:
    return [item.group for item in items]


def test_a_limit_beyond_the_items_is_the_same_work_as_none(store: RunStore) -> None:
    with serve(double) as server:
        settings = [asyncio.run(measure(server, Sums(3), store, limit=limit)).settings for limit in (None, 3, 1000)]
    assert settings[0] == settings[1] == settings[2]


def test_a_limit_takes_the_same_items_evenly_from_all_groups() -> None:
    items = [Item(str(n), "large" if n < 90 else "small", {}) for n in range(100)]
    chosen = spread_evenly(items, 10, 0)
    assert groups(chosen).count("small") == 5
    assert chosen == spread_evenly(items, 10, 0)
    assert chosen != spread_evenly(items, 10, 1)
    assert len(spread_evenly(items, 40, 0)) == 40
    assert spread_evenly(items, None, 0) == items


def test_the_next_item_does_not_wait_for_a_slow_score(store: RunStore) -> None:
    asked_all = threading.Event()

    class Slow(Sums):
        def score(self, item: Item, answer: Answer) -> Score:
            assert asked_all.wait(100)  # only once the others were asked
            return super().score(item, answer)

    def script(question: str) -> str:
        if question == "3":
            asked_all.set()
        return double(question)

    with serve(script) as server:
        summary = asyncio.run(measure(server, Slow(4), store, concurrency=1))
    assert summary.strict.right == 4
