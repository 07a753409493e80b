"""Two runs side by side: ratios, shares with their test, and what makes the comparison unfair."""

from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from sevenb.cli.main import app
from sevenb.errors import InvalidRequest, NotFound
from sevenb.lab.results import (
    DataFacts,
    LatencyRow,
    LatencySummary,
    LoadRow,
    LoadSummary,
    MemoryRow,
    MemorySummary,
    ScenarioRow,
    ScenarioSummary,
    ServiceLevel,
    TaskSummary,
)
from sevenb.lab.runs.compare import Comparison, compare
from sevenb.lab.runs.store import RunStore
from sevenb.lab.statistics import rate, spread
from sevenb.lab.target.target import Target, TargetFacts


def finished(
    store: RunStore, kind: str, name: str, summary: msgspec.Struct, samples: dict[str, Any] | None = None, **facts: Any
) -> str:
    """A run that is done; its id."""
    settings = facts.pop("settings", {"seed": 0})
    target = Target(f"http://{name}.test/v1", name, name)
    with store.begin(kind, target, TargetFacts(engine="sevenb 0.1.0", **facts), settings) as run:
        for key, sample in (samples or {}).items():
            run.keep(key, sample)
        run.finish(summary)
    return run.record.id


def latency(*ttfts: float) -> LatencySummary:
    return LatencySummary(
        tuple(
            LatencyRow(context=1024 * 2**n, ttft=spread([ttft]), decode_rate=spread([10]))
            for n, ttft in enumerate(ttfts)
        )
    )


def task(right: dict[str, bool], sha256: str = "d1") -> tuple[TaskSummary, dict[str, Any]]:
    share = rate(sum(right.values()), len(right))
    summary = TaskSummary(
        task="gsm8k", title="GSM8K", preset="p", metric="exact match", shots=0, template="t", extraction="e",
        data=DataFacts("gsm8k", "folder", sha256, "MIT", 100), of=100, strict=share, flexible=share, truncated=0,
        unparsed=0, failed=0, output_tokens=1, seconds=1, settings={},
    )  # fmt: skip
    return summary, {key: {"score": {"strict": value, "flexible": value}} for key, value in right.items()}


def test_figures_of_the_rows_that_both_have_stand_side_by_side(store: RunStore) -> None:
    first = finished(store, "latency", "a", latency(0.5, 1.0))
    second = finished(store, "latency", "b", latency(1.0))
    (comparison,) = compare(store, first, second[:7])
    ttft = next(figure for figure in comparison.figures if figure.name == "TTFT")
    assert [figure.row for figure in comparison.figures] == ["1,024 tokens"] * 2
    assert (ttft.first, ttft.second, ttft.ratio, ttft.better) == (0.5, 1.0, 2.0, "lower")
    assert comparison.differences == ("model: a and b",)
    assert not [line for line in comparison.warnings if "busy" not in line]


def test_load_and_memory_are_compared_row_by_row(store: RunStore) -> None:
    def load(rate: float) -> LoadSummary:
        row = LoadRow(
            clients=4, requests=8, failed=0, seconds=1, prompt_tokens=1, output_tokens=1, output_rate=rate,
            request_rate=1, goodput=0,
        )  # fmt: skip
        return LoadSummary(ServiceLevel(1, 1), (row, msgspec.structs.replace(row, clients=5, offered_rate=2.0)))

    def memory(peak: int) -> MemorySummary:
        return MemorySummary((MemoryRow(mode="Q4_K_M", context=4096, process_peak=peak),))

    for name, size in (("a", 1), ("b", 3)):
        finished(store, "load", name, load(10.0 * size))
        finished(store, "memory", name, memory(10**9 * size))
    loads, memories = compare(store, "a", "b")
    throughput = {figure.row: figure.ratio for figure in loads.figures if figure.name == "throughput"}
    assert throughput == {"4 clients": 3.0, "2 requests/s": 3.0}
    assert {figure.ratio for figure in loads.figures if figure.name == "goodput"} == {None}  # of nothing
    assert [(figure.name, figure.ratio) for figure in memories.figures] == [("process peak", 3.0)]


def test_quality_is_tested_on_the_items_that_both_answered(store: RunStore) -> None:
    items = [f"item/{number}" for number in range(30)]
    for name, right in (("a", dict.fromkeys(items, True)), ("b", {key: n < 20 for n, key in enumerate(items[5:])})):
        finished(store, "eval:gsm8k", name, *task(right))
    (comparison,) = compare(store, "a", "b")
    strict, flexible = comparison.quality
    assert (strict.shared, strict.first.of, strict.second.of) == (25, 30, 25)
    assert (strict.difference.only_first, strict.difference.only_second) == (5, 0)
    assert strict.difference.p == pytest.approx(2 / 2**5)
    assert strict.verdict.startswith("No difference is shown (p = 0.062)")
    assert flexible.difference == strict.difference


def test_a_difference_that_is_sure_names_the_better_one(store: RunStore) -> None:
    for name, from_where in (("a", 12), ("b", 0)):
        finished(store, "eval:gsm8k", name, *task({str(number): number >= from_where for number in range(20)}))
    assert compare(store, "a", "b")[0].quality[0].verdict == (
        "The second is better (p = 0.00049): only the first is right on 0, only the second on 12 of 20 items."
    )


def test_repeated_answers_to_an_item_count_once(store: RunStore) -> None:
    right = {"1": True, "1#2": False, "1#3": False, "exam#7": True}
    for name in "ab":
        finished(store, "eval:gsm8k", name, *task(right))
    assert compare(store, "a", "b")[0].quality[0].shared == 2


def test_scenarios_that_were_left_out_neither_passed_nor_failed(store: RunStore) -> None:
    def row(key: str, passed: bool, left_out: str | None = None) -> ScenarioRow:
        return ScenarioRow(key=key, title={"en": key}, exchanges=(), passed=passed, left_out=left_out)

    finished(store, "scenarios", "a", ScenarioSummary((row("sql", True), row("summary", False, "too long"))))
    finished(store, "scenarios", "b", ScenarioSummary((row("sql", True), row("summary", True))))
    (passed,) = compare(store, "a", "b")[0].quality
    assert (passed.first.of, passed.second.of, passed.shared) == (1, 2, 1)
    assert passed.difference.only_second == 0


def test_what_makes_it_unfair_is_told(store: RunStore) -> None:
    first = finished(
        store,
        "eval:gsm8k",
        "a",
        *task({"1": True}, "d1"),
        template_sha256="t1",
        model_sha256="m",
        settings={"limit": 5},
    )
    second = finished(
        store,
        "eval:gsm8k",
        "b",
        *task({"1": True}, "d2"),
        template_sha256="t2",
        model_sha256="m",
        settings={"limit": 9},
    )
    path = store.find(second).path / "run.json"
    record = msgspec.json.decode(path.read_bytes())
    record["machine"]["cpu"] = "Abacus 9000"
    record["warnings"] = ["The machine was busy."]
    path.write_bytes(msgspec.json.encode(record))
    (comparison,) = compare(store, first, second)
    told = "\n".join(comparison.warnings)
    for line in ("limit: 5 and 9", "data: d1 and d2", "chat template: t1 and t2", "Abacus 9000", "Of the second: The"):
        assert line in told


def test_the_newest_finished_run_of_a_model_is_taken(store: RunStore) -> None:
    finished(store, "latency", "a", latency(9.0))
    newest = finished(store, "latency", "a", latency(1.0))
    with store.begin("latency", Target("http://a.test/v1", "a", "a"), None, {}):
        pass  # begun later, and stopped
    finished(store, "latency", "b", latency(1.0))
    assert compare(store, "a", "b")[0].first.run == newest


def test_what_cannot_be_compared_is_told(store: RunStore) -> None:
    run = finished(store, "latency", "a", latency(1.0))
    finished(store, "eval:gsm8k", "b", *task({"1": True}))
    with store.begin("latency", Target("http://c.test/v1", "c", "c"), None, {}) as unfinished:
        pass
    with pytest.raises(InvalidRequest, match="a was measured in latency, b in eval:gsm8k"):
        compare(store, "a", "b")
    with pytest.raises(NotFound, match="there are: a, b"):
        compare(store, "a", "other")
    with pytest.raises(InvalidRequest, match="not finished"):
        compare(store, "a", unfinished.record.id)
    with pytest.raises(InvalidRequest, match="mean the same runs"):
        compare(store, "a", run)


def test_the_commands_show_list_and_delete(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_LAB", str(store.folder))

    def sevenb(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments, catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    first = finished(store, "latency", "a", latency(0.5))
    second = finished(store, "latency", "b", latency(1.0))
    assert first in sevenb("runs")
    assert msgspec.json.decode(sevenb("runs", "show", first[:7]))["summary"]["rows"][0]["context"] == 1024
    assert "2.00×" in sevenb("compare", "a", "b")
    (comparison,) = msgspec.json.decode(sevenb("compare", "a", "b", "--json"), type=list[Comparison])
    assert comparison.second.run == second
    sevenb("runs", "rm", first)
    assert [record.id for record in store.records()] == [second]
