"""Reads multiple-choice questions out of the forms that their publishers and others gave them."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sevenb.errors import DataUnavailable
from sevenb.lab.data.rows import read_rows

LETTERS = "ABCD"
_HENDRYCKS = ("question", "A", "B", "C", "D", "answer")  # the columns of MMLU's own files, which have no line of names


@dataclass(frozen=True)
class Question:
    """A question with four choices; ``answer`` is a letter."""

    subject: str
    text: str
    choices: tuple[str, ...]
    answer: str


def read_questions(paths: Iterable[Path], split: str) -> dict[str, list[Question]]:
    """By subject, what the files of a split ("dev", "val", "test") hold. Raises `DataUnavailable`.

    A file belongs to the split that it or its folder is named after: ``test/law.csv``, ``law_test.csv``,
    ``test.jsonl``; else to "test".
    """
    questions: dict[str, list[Question]] = defaultdict(list)
    for path in paths:
        if _split(path) == split:
            for question in _read(path):
                questions[question.subject].append(question)
    return dict(questions)


def _split(path: Path) -> str:
    for name in (path.stem.rpartition("_")[2], path.parent.name):
        if name in ("dev", "val", "test"):
            return name
    return "test"


def _read(path: Path) -> Iterator[Question]:
    subject = path.stem.removesuffix(f"_{_split(path)}")
    for number, row in enumerate(read_rows(path, {}, _columns(path)), 1):
        try:
            question = _question(row, subject)
        except (KeyError, ValueError, TypeError, IndexError):
            raise DataUnavailable(
                f"{path}, row {number}: this is no multiple-choice question with four choices and a letter as answer; "
                f"its fields are {', '.join(filter(None, row))}."
            ) from None
        if question:
            yield question


def _columns(path: Path) -> tuple[str, ...]:
    if path.suffix != ".csv":
        return ()
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        names = next(lines, "").lower().strip().split(",")
    return () if {"a", "b", "c", "d"} <= set(names) else _HENDRYCKS


def _question(row: dict[str, Any], subject: str) -> Question | None:
    fields = {name.lower(): value for name, value in row.items()}
    subject = (fields.get("subject") or fields.get("topic") or subject).replace(" ", "_")
    if "choices" in fields:
        choices = fields["choices"]
    else:
        prefix = "answer_" if "answer_a" in fields else ""
        choices = [fields[f"{prefix}{letter.lower()}"] for letter in LETTERS]
    answer = fields["correct_answer"] if "correct_answer" in fields else fields["answer"]
    if answer == "answer":  # a line of column names that went astray into the data
        return None
    letter = LETTERS[answer] if isinstance(answer, int) else answer.strip()
    if len(choices) != len(LETTERS) or letter not in LETTERS or not letter:
        raise ValueError
    return Question(subject, fields["question"].strip(), tuple(choice.strip() for choice in choices), letter)
