"""Kept results come back as they were, and make tables and plots."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from benchmarks import plots, results
from benchmarks.divergence import Fidelity
from benchmarks.report import fidelity_report, speed_report
from benchmarks.results import FidelityResult, ModelFacts, RowResult, Series


def row(key: str, ours: list[float], llama: list[float], ik: list[float]) -> RowResult:
    return RowResult(
        model="tiny:1b",
        row=key,
        conditions="today · commit abc",
        load=0.1,
        series=[
            Series("sevenb", "native (avx2)", "defaults", ours),
            Series("llama.cpp", "llama.cpp 1", "-fa 1", llama, {"-fa 0": 1.0, "-fa 1": 2.0}),
            Series("ik_llama.cpp", "ik 1", "-fa 1 -rtr 1", ik),
        ],
    )


ROWS = [row("decode-0", [60, 62, 61], [30, 31, 29], [50, 51, 49]), row("decode-4096", [50], [10], [40])]
FACTS = ModelFacts("tiny:1b", "today · commit abc", [1.5, 1.4, 1.6], 0.025, 10**9, [70e9, 69e9], 12_288, 10**8)
FIDELITY = FidelityResult("tiny:1b", "today", 512, 3, {"sevenb": Fidelity(100, 3e-4, 2e-4, 5e-3, 10.0, 10.1, 0.99)})


def test_results_come_back_as_they_were_kept(tmp_path: Path) -> None:
    kept: list[results.Result] = [*ROWS, FACTS, FIDELITY]
    for result in kept:
        results.save(result, tmp_path)
    assert results.load_rows(tmp_path) == ROWS
    assert results.load_facts(tmp_path) == [FACTS]
    assert results.load_fidelity(tmp_path) == [FIDELITY]


def test_a_row_measured_again_replaces_the_old_one(tmp_path: Path) -> None:
    again = row("decode-0", [70], [30], [50])
    results.save(ROWS[0], tmp_path)
    results.save(again, tmp_path)
    assert results.load_rows(tmp_path) == [again]


def test_the_table_gives_ratios_of_medians_and_the_peers_settings() -> None:
    table = speed_report(ROWS, [FACTS], [FIDELITY])
    assert "| decode, nothing before | **2.03×** | **1.22×** | 61.0 (60–62) |" in table
    assert "50.0 (49–51) `-fa 1 -rtr 1`" in table
    assert "| decode after 4,096 tokens | **5.00×** | **1.25×** | 50.0 | 10.0 `-fa 1` |" in table


def test_the_table_tells_the_share_of_the_bandwidth_and_what_goes_with_it() -> None:
    table = speed_report(ROWS, [FACTS], [FIDELITY])
    assert "61.0 of 70.0 GB/s: 87 %" in table
    assert "1.50 s" in table
    assert "2.5 %" in table
    assert "2.0e-04" in table
    assert "commit abc" in table


def test_fidelity_is_told_by_length_of_the_pieces() -> None:
    longer = FidelityResult("tiny:1b", "today", 8192, 1, FIDELITY.engines)
    text = fidelity_report([FIDELITY, longer])
    assert text.index("100 tokens in 3 pieces of up to 512") < text.index("100 tokens in 1 pieces of up to 8,192")


def test_plots_hold_a_point_for_each_engine_and_depth(tmp_path: Path) -> None:
    assert list(plots.write_plots(ROWS, tmp_path)) == [f"{tmp_path.name}/depth.svg"]
    (panel,) = plots.depth_panels(ROWS)
    assert panel.lines["sevenb"] == [(0.0, 61.0), (4096.0, 50.0)]
    circles = ElementTree.parse(tmp_path / "depth.svg").getroot().iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) == 3 * (2 + 1)  # points, and one in the legend


def test_points_lie_within_the_picture(tmp_path: Path) -> None:
    plots.write_plots(ROWS, tmp_path)
    for circle in ElementTree.parse(tmp_path / "depth.svg").getroot().iter("{http://www.w3.org/2000/svg}circle"):
        assert 0 < float(circle.attrib["cx"]) < 380
        assert 0 < float(circle.attrib["cy"]) < 300


def test_nothing_is_drawn_of_a_single_point(tmp_path: Path) -> None:
    assert plots.write_plots(ROWS[:1], tmp_path) == {}
