"""The figures of answers with a shape: kept, told, and made of forms that the model really fills in."""

from pathlib import Path

import pytest

from benchmarks import results, structured
from benchmarks.report import structured_report
from benchmarks.results import FormFigures, StructuredResult

RESULT = StructuredResult(
    "tiny:1b",
    "today · commit abc",
    0.1,
    [FormFigures("contact", 50, 20, [100.0, 110.0, 90.0], [50.0, 50.0, 50.0])],
    [0.01, 0.012, -0.3],
)


def test_the_report_tells_how_much_faster_forms_are_and_what_masks_cost(tmp_path: Path) -> None:
    results.save(RESULT, tmp_path)
    assert results.load_structured(tmp_path) == [RESULT]
    table = structured_report([RESULT])
    assert "| contact | 50 | 20 | 100.0 | 50.0 | **2.00×** | |" in table
    assert "1.0%" in table
    assert "commit abc" in table


def test_forms_take_fewer_steps_than_tokens(coder_05b: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(structured, "FORMS", {"contact": structured.FORMS["contact"]})
    monkeypatch.setattr(structured, "STEPS", 4)
    measured = structured.measure_structured("coder", coder_05b, threads=2, rounds=1)
    (form,) = measured.forms
    assert form.steps < 0.6 * form.tokens
    assert len(form.rates) == len(form.free_rates) == len(measured.mask_costs) == 1
