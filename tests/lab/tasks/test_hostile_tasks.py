"""Tasks that somebody else wrote: their mistakes and their malice are told in a sentence before a model runs."""

import json
from pathlib import Path

import pytest

from sevenb.errors import SevenbError
from sevenb.lab.tasks.own import load_own_task

LAUGHS = "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n"
HALF = "\\ud800"


def told(folder: Path, text: str) -> str:
    (folder / "task.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SevenbError) as caught:
        load_own_task(folder / "task.yaml")
    assert str(folder) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "anchors and aliases"),
        ("[" * 100_000, "not YAML"),
        ("prompt: !!python/object/apply:os.system [true]", "not YAML"),
        (f'prompt: "{HALF}"\nscore: exact\nitems: [{{answer: a}}]', "not YAML"),
        (f'prompt: x\nscore: exact\nitems: [{{answer: "{HALF}"}}]', "not YAML"),
        ("prompt: x" + " " * (1 << 20), "more than 1 MiB"),
    ],
)
def test_hostile_yaml_is_refused(tmp_path: Path, text: str, message: str) -> None:
    assert message in told(tmp_path, text)


def test_half_a_character_that_a_template_makes_is_refused(tmp_path: Path) -> None:
    text = "prompt: '{{ \"" + HALF + "\" }}'\nscore: exact\nitems: [{answer: a}]"
    (tmp_path / "task.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SevenbError, match="item 1: the template 'prompt' fails"):
        load_own_task(tmp_path / "task.yaml")


def test_half_a_character_in_a_question_is_refused(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text(json.dumps({"question": "\ud800", "answer": "a"}), encoding="utf-8")
    text = "prompt: '{{ question }}'\nscore: exact\ndata: q.jsonl"
    assert "half of a character" in told(tmp_path, text)
