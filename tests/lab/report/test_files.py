"""The files of a report: JSON that makes the pages again, Markdown whose tables are tables, and what cannot be read."""

import json
import re
from pathlib import Path

import pytest

from sevenb.errors import InvalidRequest
from sevenb.lab.report.page.html import html_page
from sevenb.lab.report.page.markdown import escaped, markdown_page
from sevenb.lab.report.page.writing import write_report
from sevenb.lab.report.places import kept_reports, report_file
from sevenb.lab.report.report import VERSION, read_report, report_json
from tests.lab.report.samples import bare, report, scenario, subject, two_models

HOSTILE = "a | b\n| c |\n# heading\n<script>x</script> `code` ``` [link](http://x) ![i](x) **b** ~~s~~ $x$ 1. one"


def rows(markdown: str) -> list[list[str]]:
    """The lines of tables, by cells; outside fences."""
    text = re.sub(r"^(`{3,})text\n.*?^\1$", "", markdown, flags=re.MULTILINE | re.DOTALL)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]


def test_the_json_alone_makes_the_same_pages(tmp_path: Path) -> None:
    made = two_models()
    (tmp_path / "report.json").write_bytes(report_json(made))
    again = read_report(tmp_path / "report.json")
    assert html_page(again) == html_page(made)
    assert markdown_page(again, "zh") == markdown_page(made, "zh")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["version"] == VERSION
    assert kept["subjects"][0]["runs"][0]["id"] == "1a2b3c4d"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_row_of_a_markdown_table_has_as_many_cells_as_its_head(language: str) -> None:
    evil = subject(HOSTILE, scenarios=(scenario("json", HOSTILE, HOSTILE, False, answer=HOSTILE),))
    for one in (report(evil), two_models(), bare(), bare(HOSTILE)):
        width = 0
        found = rows(markdown_page(one, language))  # type: ignore[arg-type]
        assert found
        for index, cells in enumerate(found):
            if index + 1 < len(found) and all(re.fullmatch(r" -{2,}:? ", cell) for cell in found[index + 1]):
                width = len(cells)
            assert len(cells) == width, cells


def test_foreign_texts_mean_nothing_in_markdown() -> None:
    page = markdown_page(report(subject(HOSTILE)), "en")
    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", page, flags=re.MULTILINE | re.DOTALL)
    assert "<script" not in outside.replace("\\<script", "")
    assert "\n# heading" not in outside
    assert escaped("1. one") == "1\\. one"
    assert escaped("- x") == "\\- x"


def test_an_answer_with_fences_stays_within_its_own() -> None:
    answer = "```python\nprint()\n```\n````\n# not a heading"
    one = subject("a", scenarios=(scenario("json", "t", "t", True, answer=answer),))
    page = markdown_page(report(one), "en")
    assert f"`````text\n{answer}\n`````" in page


def test_plain_words_for_what_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="cannot be read"):
        read_report(tmp_path / "nothing.json")
    (tmp_path / "a.json").write_text('{"version": 1}')
    with pytest.raises(InvalidRequest, match="is no report of sevenb"):
        read_report(tmp_path / "a.json")
    (tmp_path / "deep.json").write_text('{"version": 1, "machine": ' + '{"a":' * 100_000)
    with pytest.raises(InvalidRequest, match="is no report of sevenb"):
        read_report(tmp_path / "deep.json")
    (tmp_path / "b.json").write_text('{"version": 99}')
    with pytest.raises(InvalidRequest, match="newer sevenb"):
        read_report(tmp_path / "b.json")


def test_only_finished_reports_are_listed_newest_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEVENB_LAB", str(tmp_path))
    assert kept_reports() == []
    old, new = "20261101-000000-aaaa", "20261102-000000-bbbb"
    write_report(two_models(id=old, made="2026-11-01T00:00:00+00:00"), tmp_path / "reports" / old)
    write_report(two_models(id=new, made="2026-11-02T00:00:00+00:00"), tmp_path / "reports" / new)
    (tmp_path / "reports" / "20261103-000000-cccc").mkdir()
    (tmp_path / "reports" / "20261104-000000-dddd").mkdir()
    (tmp_path / "reports" / "20261104-000000-dddd" / "report.json").write_text("{")
    assert [one.id for one in kept_reports()] == [new, old]
    assert report_file(new, "report.md") is not None
    assert report_file(new, "draft.json") is None
    assert report_file("..", "report.html") is None
