"""Whatever a model writes, reading its answer ends: text that makes searches go over it again for every character."""

import multiprocessing
from collections.abc import Callable

import pytest

from sevenb.lab.scenarios import sentiment
from sevenb.lab.scenarios.final_answer import final_answer
from sevenb.lab.scenarios.role import check_role
from sevenb.lab.scenarios.sql import read_query
from sevenb.lab.target.problems import reason_of
from sevenb.lab.tasks.choice.letters import flexible_letter
from sevenb.lab.tasks.code.programs import any_program
from sevenb.lab.tasks.ifeval import form
from sevenb.lab.tasks.maths.boxed import last_boxed
from sevenb.lab.tasks.own.plain_scorers import _STATED

LENGTH = 200_000
PATIENCE = 100  # seconds; none takes one of them, and each took minutes before


def letter(text: str) -> object:
    return flexible_letter(text, ["one", "two", "three", "four"])


def program(text: str) -> object:
    return any_program(text, "f")


def placeholders(text: str) -> object:
    return form.placeholders(text, 1)


def bullets(text: str) -> object:
    return form.bullet_list(text, 1)


def stated(text: str) -> object:
    return _STATED.findall(text)


def sentiments(text: str) -> object:
    return sentiment._told(text)


def refusal(text: str) -> object:
    return reason_of(text.encode())


CASES: list[tuple[Callable[[str], object], str, str, str]] = [  # reader, beginning, what is repeated, end
    (letter, "", "\n", "x"),
    (letter, "answer is", " ", "x"),
    (letter, "A", " ", "x"),
    (program, "", "def f(x):\n  (\n", ""),
    (last_boxed, "", r"\boxed{", ""),
    (last_boxed, "", r"\boxed $", ""),
    (final_answer, "", r"\boxed{", ""),
    (final_answer, "", r"\[", ""),
    (final_answer, "a", "\n", "x"),
    (final_answer, "", "-\n", "x"),
    (placeholders, "", "[", ""),
    (bullets, "a", "\n", "x"),
    (form.title, "", "<", ""),
    (stated, "answer", " ", ""),
    (refusal, "", "<title", ""),
    (check_role, "", "no computer ", ""),
    (sentiments, "a", "\n", "x"),
    (read_query, "a", "\n", "x"),
]


@pytest.fixture(scope="module")
def reading():
    """A process that can be ended, unlike a search."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        yield pool


@pytest.mark.parametrize(("reader", "beginning", "repeated", "end"), CASES)
def test_reading_ends(reading, reader: Callable[[str], object], beginning: str, repeated: str, end: str) -> None:
    text = beginning + repeated * (LENGTH // len(repeated)) + end
    reading.apply_async(reader, (text,)).get(PATIENCE)


def test_a_number_of_thousands_of_digits_names_no_review() -> None:
    assert sentiment._told("9" * 5000 + ". positive\n1. positive") == sentiment._told("1. positive")


@pytest.mark.parametrize(
    ("text", "boxed"),
    [
        (r"\boxed{1} and \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\boxed{1} then \boxed{2", "1"),
        (r"\boxed{a \{ b}", r"a \{ b"),
        (r"} \boxed{3} }", "3"),
        (r"$\boxed 5$", "5"),
        (r"\boxed {  7 }", "7"),
        (r"\boxed{\boxed{4}}", "4"),
        (r"\boxed", None),
    ],
)
def test_the_last_closed_box_is_read(text: str, boxed: str | None) -> None:
    assert last_boxed(text) == boxed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (r"x = 1" + "\n\n" + r"So \[ x = 2 \] and done", r"So \[ x = 2 \] and done"),
        ("a 1\n---\nb 2", "b 2"),
        ("So\n\n$$\nx = 3\n$$", "So $$ x = 3 $$"),
        (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    ],
)
def test_the_end_of_an_answer_is_read(text: str, told: str) -> None:
    assert final_answer(text) == told


def test_titles_and_placeholders_are_found_line_by_line() -> None:
    assert form.title("first\n<<a poem>> >>\n")
    assert not form.title(">> <<\n<<>>")
    assert form.placeholders("[a] [b\n] [c]", 2)
    assert not form.placeholders("[a\n]", 1)
    assert form.bullet_list("\n\n* a\n  - b\n\n* c", 3)
