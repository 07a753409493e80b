"""How rows are measured: in turns, each peer with the setting that did best in the round that does not count."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks.contenders import OURS
from benchmarks.peers.setting import Setting
from benchmarks.results import RowResult, Series
from benchmarks.rows import IK, LLAMA_CPP, ROWS, Row
from benchmarks.speed import measure_rows

BY_KEY = {row.key: row for row in ROWS}


class Stopwatches:
    """Stands in for the engines: what was asked of whom, and figures that depend on the setting."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, Setting | None, int, int]] = []

    def names(self, row: Row) -> tuple[str, ...]:
        return (OURS, LLAMA_CPP, IK)

    def describe(self, name: str, row: Row) -> str:
        return name

    def prefill(
        self, name: str, row: Row, tokens: list[int], setting: Setting | None = None, history: Sequence[int] = ()
    ) -> float:
        return self._note("prefill", name, setting, len(tokens), len(history))

    def decode(
        self,
        name: str,
        row: Row,
        prompts: list[list[int]],
        setting: Setting | None = None,
        history: Sequence[int] = (),
    ) -> float:
        return self._note("decode", name, setting, len(prompts), len(history))

    def _note(self, method: str, name: str, setting: Setting | None, size: int, depth: int) -> float:
        self.calls.append((method, name, setting, size, depth))
        return 100.0 if setting is None else 10.0 + 5 * setting.repack + (setting.kv_dtype == "q8_0")


def measure(model: Path, key: str, rounds: int) -> tuple[RowResult, list[Any]]:
    engines = Stopwatches()
    (result,) = measure_rows("tiny", model, engines, [BY_KEY[key]], 1, rounds)  # type: ignore[arg-type]
    return result, engines.calls


def series(result: RowResult, engine: str) -> Series:
    found = result.of(engine)
    assert found is not None
    return found


def test_peers_go_on_with_their_best_setting_and_say_which(coder_05b: Path) -> None:
    result, calls = measure(coder_05b, "decode-4096", 2)
    assert series(result, IK).setting == "-fa 1 -ctk q8_0 -ctv q8_0 -rtr 1"
    assert series(result, LLAMA_CPP).setting == "-fa 1 -ctk q8_0 -ctv q8_0"
    assert [name for _, name, *_ in calls[-6:]] == [OURS, LLAMA_CPP, IK] * 2
    assert result.ratio(IK) == pytest.approx(100 / 16)


def test_the_round_that_chooses_does_not_count(coder_05b: Path) -> None:
    result, _ = measure(coder_05b, "decode-0", 3)
    assert [len(series.values) for series in result.series] == [3, 3, 3]
    assert series(result, LLAMA_CPP).tried == {"-fa 0": 10.0, "-fa 1": 10.0}


def test_decoding_at_depth_stands_behind_a_history_of_that_length(coder_05b: Path) -> None:
    _, calls = measure(coder_05b, "decode-16384", 1)
    assert {depth for *_, depth in calls} == {16_384}


def test_a_long_prefill_is_tried_on_a_part_and_run_whole(coder_05b: Path) -> None:
    _, calls = measure(coder_05b, "prefill-8192", 5)
    assert [(size, depth) for _, _, _, size, depth in calls[-3:]] == [(8192, 0)] * 3
    assert {(size, depth) for _, _, _, size, depth in calls[:-3]} == {(512, 4096)}
