"""GSM8K and MATH: answers are found where they were asked for, or anywhere, and compared as numbers and formulas."""

import json
from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.tasks.maths import equality
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.maths.equality import equal_to
from sevenb.lab.tasks.maths.gsm8k import KIND, Gsm8k
from sevenb.lab.tasks.maths.math_task import KIND_500
from sevenb.lab.tasks.maths.numbers import last_number, same_number
from sevenb.lab.tasks.task import Item
from tests.lab.tasks.test_humaneval import answer

QUESTION = Item("0", "", {"question": "How many?", "answer": "1200"})


@pytest.mark.parametrize(
    ("preset", "text", "expected"),
    [
        ("qwen2.5", r"600 + 600 = \boxed{1,200}", (True, True, "1,200")),
        ("qwen2.5", r"So \boxed{\$1200.00}.", (True, True, r"\$1200.00")),
        ("qwen2.5", r"First \boxed{7}, no: \boxed{1200}", (True, True, "1200")),
        ("qwen2.5", "600 + 600 = 1200.", (False, True, "1200.")),
        ("qwen2.5", r"1200? No, \boxed{1300} of 1200", (False, False, "1300")),  # the box is what was meant
        ("qwen2.5", r"\boxed{12", (False, False, "12")),
        ("qwen2.5", "I do not know.", (False, False, None)),
        ("cot-8-shot", "600 + 600 = 1200. The answer is 1,200.", (True, True, "1,200")),
        ("cot-8-shot", "The answer is $1200", (False, True, "$1200")),
        ("cot-8-shot", "The answer is 7. Then 1200", (False, True, "7.")),
        ("5-shot", "600 + 600 = 1200\n#### 1200", (True, True, "1200")),
        ("5-shot", "It is 1200", (False, True, "1200")),
    ],
)
def test_gsm8k_reads_strictly_and_flexibly(preset: str, text: str, expected: tuple[bool, bool, str | None]) -> None:
    score = Gsm8k(preset).score(QUESTION, answer(text))
    assert (score.strict, score.flexible, score.found and score.found.rstrip(".")) == (
        *expected[:2],
        expected[2] and expected[2].rstrip("."),
    )


@pytest.mark.parametrize(
    ("found", "expected", "same"),
    [("1,200", "1200", True), ("18.0", "18", True), ("-5", "5", False), ("$3.50", "3.5", True), ("x", "1", False)],
)
def test_numbers_are_compared_as_numbers(found: str, expected: str, same: bool) -> None:
    assert same_number(found, expected) is same


def test_the_last_number_is_found_behind_dots_and_dashes() -> None:
    assert last_number("We need 3 ... or 4, - maybe.") == "4,"
    assert last_number("No ... number") is None


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"$\boxed 5$", "5"),
        (r"\boxed{1} and \boxed{2", "1"),
        (r"\fbox{3}", "3"),
        ("nothing", None),
        (r"\boxed", None),
    ],
)
def test_the_last_box_is_read_with_its_braces_matched(text: str, held: str | None) -> None:
    assert last_boxed(text) == held


def test_gsm8k_items_are_the_numbers_behind_the_solutions(tmp_path: Path) -> None:
    (tmp_path / "gsm8k").mkdir()
    rows = [{"question": "1 + 1?", "answer": "One and one.\n#### 2"}, {"question": "2,000?", "answer": "#### 2,000"}]
    (tmp_path / "gsm8k" / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items, _ = KIND(None).load(DataFinder(tmp_path))
    assert [(item.key, item.fields["answer"]) for item in items] == [("0", "2"), ("1", "2,000")]
    shots = [{"question": f"{n} + 0?", "answer": f"#### {n}"} for n in range(6)]
    (tmp_path / "gsm8k" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in shots))
    task = KIND("5-shot")
    items, _ = task.load(DataFinder(tmp_path))
    prompt = task.prompt(items[0])
    assert isinstance(prompt, str)
    assert prompt.startswith("Question: 0 + 0?\nAnswer: #### 0\n\nQuestion: 1 + 0?")
    assert prompt.endswith("Question: 1 + 1?\nAnswer:")
    assert prompt.count("Question:") == 6


def test_gsm8k_takes_its_chains_of_thought_from_the_harness_file(tmp_path: Path) -> None:
    for folder in ("gsm8k", "gsm8k-cot"):
        (tmp_path / folder).mkdir()
    (tmp_path / "gsm8k" / "test.jsonl").write_text(json.dumps({"question": "1 + 1?", "answer": "#### 2"}))
    samples = "".join(f'  - {{question: "{n} + 0?", target: "The answer is {n}."}}\n' for n in range(8))
    harness = tmp_path / "gsm8k-cot" / "gsm8k-cot.yaml"
    harness.write_text(f"fewshot_config:\n  samples:\n{samples}")
    task = KIND("cot-8-shot")
    (item,), _ = task.load(DataFinder(tmp_path))
    prompt = task.prompt(item)
    assert isinstance(prompt, str)
    assert prompt.startswith("Q: 0 + 0?\nA: The answer is 0.\n\nQ: 1 + 0?")
    assert prompt.endswith("A: The answer is 7.\n\nQ: 1 + 1?\nA:")
    harness.write_text("samples: []")
    with pytest.raises(DataUnavailable, match="has no examples in the form"):
        task.load(DataFinder(tmp_path))


@pytest.mark.parametrize(
    ("expected", "text", "strict", "flexible"),
    [
        (r"\frac{1}{2}", r"So it is \boxed{0.5}.", True, True),
        (r"x^2-1", r"\boxed{(x-1)(x+1)}", True, True),
        (r"\{1,2\}", r"\boxed{\{2, 1\}}", True, True),
        (r"\frac{1}{2}", r"The answer is $\frac{2}{4}$.", False, True),
        (r"\frac{1}{2}", r"\boxed{\frac{1}{3}}", False, False),
        ("1", "no idea", False, False),
    ],
)
def test_formulas_are_compared_as_mathematics(expected: str, text: str, strict: bool, flexible: bool) -> None:
    score = KIND_500(None).score(Item("0", "", {"problem": "?", "answer": expected}), answer(text))
    assert (score.strict, score.flexible) == (strict, flexible)


def test_what_nobody_can_compute_is_not_equal_and_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert equal_to("1", "$1$").equal
    monkeypatch.setattr(equality, "SECONDS", 0.5)
    assert not equal_to("1", r"$\boxed{9^{9^{9^{9^{9}}}}}$").equal
    monkeypatch.undo()
    assert equal_to("1", "$1$").equal


def test_a_number_that_python_does_not_write_is_judged() -> None:
    assert not equal_to("1", r"$\boxed{10^{5000}}$").equal
    assert equal_to("1", "$1$").equal


def test_math_items_take_their_answer_from_the_solution_where_they_have_none(tmp_path: Path) -> None:
    (tmp_path / "math500").mkdir()
    path = tmp_path / "math500" / "test.jsonl"
    rows = [
        {"problem": "a", "answer": "1", "subject": "Algebra"},
        {"problem": "b", "solution": r"So \boxed{2}.", "type": "Geometry"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    items, _ = KIND_500(None).load(DataFinder(tmp_path))
    assert [(item.group, item.fields["answer"]) for item in items] == [("Algebra", "1"), ("Geometry", "2")]
    path.write_text(json.dumps({"problem": "c", "solution": "no box"}))
    with pytest.raises(DataUnavailable, match="item 1: there is neither an answer"):
        KIND_500(None).load(DataFinder(tmp_path))
