"""The sample report of the documentation is small, whole, and made of a real one."""

from pathlib import Path

import msgspec
import pytest

from benchmarks import sample_report
from sevenb.lab.report.page.html import html_page
from sevenb.lab.report.report import read_report, report_json
from tests.lab.report.samples import two_models


def test_a_real_report_becomes_the_sample_with_its_plots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "report.md"
    page.write_text("# A\n\n<!-- sample: begin -->\nold\n<!-- sample: end -->\n")
    for name, path in (("PAGE", page), ("JSON", tmp_path / "sample.json"), ("PLOTS", tmp_path)):
        monkeypatch.setattr(sample_report, name, path)
    long = [{"role": "user", "content": "begin " + "x" * 80_000 + " end"}]
    whole = msgspec.structs.replace(two_models(), prompts={"p1": long})
    (tmp_path / "report.json").write_bytes(report_json(whole))

    sample_report.main(tmp_path / "report.json")

    kept = read_report(tmp_path / "sample.json")
    assert kept.subjects == whole.subjects
    text = kept.prompts["p1"][0]["content"]
    assert text.startswith("begin ")
    assert text.endswith(" end")
    assert "77,010 characters are left out" in text
    assert "old" not in page.read_text()
    assert "](plots/report-speed.svg)" in page.read_text()
    for name in ("report-speed.svg", "report-quality.svg"):
        assert (tmp_path / name).read_text().startswith("<svg xmlns=")


def test_the_kept_sample_can_be_read_and_drawn() -> None:
    assert sample_report.JSON.stat().st_size <= sample_report.LARGEST
    kept = read_report(sample_report.JSON)
    assert kept.verdicts
    assert "<article" in html_page(kept)
