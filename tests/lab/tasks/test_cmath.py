"""CMATH's answers are numbers, whatever stands around them."""

from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.tasks.maths.cmath import CMath, score_number


@pytest.mark.parametrize(
    ("text", "expected", "strict", "flexible"),
    [
        (r"99 - 90 = 9，所以 \boxed{9页}", "9", True, True),
        (r"\boxed{\frac{2}{6}}", "1/3", True, True),
        ("还剩 99 - 90 = 9 页。\n答：还剩 9 页。", "9", False, True),
        ("答案是 1,234.50 元", "1234.5", False, True),
        (r"\boxed{8}", "9", False, False),
        (r"一共有 5 只，\boxed{}", "5", False, True),
        ("不知道", "9", False, False),
        ("1/0", "1", False, False),
    ],
)
def test_a_number_is_read(text: str, expected: str, strict: bool, flexible: bool) -> None:
    score = score_number(text, expected)
    assert (score.strict, score.flexible) == (strict, flexible)


def test_both_names_of_the_answer_are_read(tmp_path: Path) -> None:
    (tmp_path / "cmath").mkdir()
    path = tmp_path / "cmath" / "test.jsonl"
    path.write_text(
        '{"grade": 1, "question": "1+1?", "answer": 2}\n{"grade": 6, "question": "1/2+1?", "golden": "3/2"}'
    )
    task = CMath()
    items, _ = task.load(DataFinder(tmp_path))
    assert [(item.group, item.fields["answer"]) for item in items] == [("grade 1", "2"), ("grade 6", "3/2")]
    path.write_text('{"grade": 1, "question": "1+1?"}')
    with pytest.raises(DataUnavailable, match="row 1: there is no field 'answer'"):
        task.load(DataFinder(tmp_path))
