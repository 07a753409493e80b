"""Data files are read in every form they come in, and what is wrong with one is told by file and line."""

import gzip
from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable
from sevenb.lab.data import rows
from sevenb.lab.data.rows import read_rows

FIELDS = {"question": str, "answer": (str, int)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"question": "1 + 1?", "answer": 2}\n\n{"question": "a\xe2\x80\xa8b", "answer": "c"}\n'),
        ("a.jsonl.gz", gzip.compress(b'{"question": "1 + 1?", "answer": 2}\n{"question": "x", "answer": "c"}')),
        ("a.json", b'[{"question": "1 + 1?", "answer": 2}, {"question": "x", "answer": "c"}]'),
        ("a.csv", b'\xef\xbb\xbfquestion,answer\n"1\n+ 1?",2\nx,c\n'),
    ],
)
def test_every_form_gives_rows(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    rows = read_rows(tmp_path / name, FIELDS)
    assert len(rows) == 2
    assert all(set(row) == {"question", "answer"} for row in rows)


def test_a_pair_of_surrogates_is_a_character(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"question": "\\ud83d\\ude00", "answer": 1}')
    assert read_rows(tmp_path / "a.jsonl", FIELDS)[0]["question"] == "\U0001f600"


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "MAX_UNPACKED", 1000)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b" " * 1001))
    with pytest.raises(DataUnavailable, match="unpacks to more than"):
        read_rows(tmp_path / "a.jsonl.gz", FIELDS)


def test_columns_are_named_where_the_file_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("1 + 1?,2\n")
    assert read_rows(tmp_path / "a.csv", FIELDS, ("question", "answer")) == [{"question": "1 + 1?", "answer": "2"}]


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.jsonl", b'{"question": "x", "answer": 1}\n{"question": ', "line 2: this is not JSON"),
        ("a.jsonl", b'{"question": "x", "answer": 1}\n[1]\n', "line 2: this is a list"),
        ("a.jsonl", b'{"question": "x", "answer": 1}\n\n{"answer": 1}\n', "line 3: there is no field 'question'"),
        ("a.jsonl", b'{"question": 5, "answer": 1}\n', "line 1: the field 'question' is a number, where text belongs"),
        ("a.jsonl", b'{"question": "x", "answer": null}\n', "text or a number belongs"),
        ("a.jsonl", b'{"question": "x", "answer": 1}\n{"question": "\xff"}\n', "line 2: this is not UTF-8"),
        ("a.jsonl", b"\n\n", "holds no rows"),
        ("a.json", b'[\n{"question": "x",\n}]', "line 3: this is not JSON"),
        ("a.json", b'{"question": "x"}', "not a list of objects"),
        ("a.csv", b"question,answer\nx,1\ny\n", "line 3: there are 1 columns, where 2 belong"),
        ("a.csv", b'question,answer\nx,"1\n', "this is not CSV"),
        ("a.csv", b"question,answer\n", "holds no rows"),
        ("a.jsonl", b'{"question": "x\\ud83d", "answer": 1}', "line 1: half of a character"),
        ("a.json", b'[{"question": "x\\udc00", "answer": 1}]', "half of a character"),
        ("a.jsonl", b'{"question": ' + b"[" * 100_000, "line 1: this is not JSON"),
        ("a.json", b"[" * 100_000, "this is not JSON"),
        ("a.jsonl.gz", b"not packed", "not a whole gzip file"),
        ("a.jsonl.gz", gzip.compress(b'{"question": "x", "answer": 1}')[:-12], "not a whole gzip file"),
    ],
)
def test_what_is_wrong_is_told_by_file_and_line(tmp_path: Path, name: str, content: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataUnavailable) as failure:
        read_rows(tmp_path / name, FIELDS)
    assert str(tmp_path / name) in str(failure.value)
    assert told in str(failure.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailable, match="cannot be read"):
        read_rows(tmp_path / "a.jsonl", FIELDS)
