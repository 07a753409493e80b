"""One's own task: a YAML file and questions, with an error by file, line and field for every mistake."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import SandboxUnavailable, SevenbError
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import TaskSummary
from sevenb.lab.runs import machine
from sevenb.lab.runs.store import RunStore
from sevenb.lab.sandbox import program, sandbox_kind, solution
from sevenb.lab.sandbox.supervision.layers import Layers
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from sevenb.lab.tasks.evaluation import evaluate
from sevenb.lab.tasks.own import in_time, load_own_task
from sevenb.lab.tasks.registry import find_task
from sevenb.lab.tasks.task import Score, Task
from tests.lab.tasks.scripted_server import serve

PAGE = (Path(__file__).parents[3] / "docs" / "own-tasks.md").read_text()
YAML = "name: capitals\nprompt: |\n  {{ question }}\ndata: q.jsonl\nscore: exact\n"
ROW = {"question": "Capital of France?", "answer": "Paris", "kind": "city"}


def make(folder: Path, yaml: str = YAML, *rows: Any) -> Task:
    (folder / "task.yaml").write_text(yaml)
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows or (ROW,)]
    (folder / "q.jsonl").write_text("\n".join(lines))
    return find_task(str(folder / "task.yaml"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("prompt:", "promt:", r"line 2: there is no key 'promt' \(did you mean 'prompt'\?\)"),
        ("score: exact", "", "the key 'score' is missing"),
        ("score: exact", "score: exakt", r"line 5: no way to score is called 'exakt' \(did you mean 'exact'\?\)"),
        ("score: exact", "score: exact\nmax_tokens: many", "line 6: 'max_tokens' must be a whole number, not 'many'"),
        ("score: exact", "score: exact\nmax_tokens: 0", "line 6: 'max_tokens' must be between 1 and"),
        ("score: exact", "score: exact\nshots: 2", "line 6: shots are taken from a file of examples"),
        ("score: exact", "score: json_schema", "'json_schema' with the schema go together"),
        ("score: exact", "score: json_schema\njson_schema: {type: objekt}", "line 6: this is no JSON schema"),
        ("score: exact", "score: exact\nscore: number", "line 6: the key 'score' is there twice"),
        ("name: capitals", "name: mmlu", "line 1: 'mmlu' is the name of a task that sevenb has"),
        ("name: capitals", "name: 5", "line 1: 'name' must be text, not 5"),
        ("name: capitals", "name: [a", "line 2: this is not YAML"),
        ("name: capitals", "name: &a x\ntitle: *a", "anchors and aliases"),
        ("name: capitals", "key: id", "q.jsonl, line 1: there is no field 'id'"),
        ("q.jsonl", "p.jsonl", r"line 4: there is no file .*p\.jsonl \(did you mean 'q\.jsonl'\?\)"),
        ("data: q.jsonl", "", "give the questions either as a file"),
        ("{{ question }}", "{{ quesion }}", r"q\.jsonl, line 1: .*uses 'quesion'.*\(did you mean 'question'\?\)"),
        ("{{ question }}", "{{ question", "line 2: the template 'prompt' cannot be read"),
        ("{{ question }}", "{{ question.__class__ }}", "unsafe"),
        ("{{ question }}", "{{ 'x' * 999999999 }}", "more text than any prompt can hold"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in YAML
    with pytest.raises(SevenbError, match=message):
        make(tmp_path, YAML.replace(old, new))


@pytest.mark.parametrize(
    ("score", "row", "message"),
    [
        ("exact", "{bad", "line 2: this is not JSON"),
        ("exact", "[1]", "line 2: this is a list, where an object belongs"),
        ("exact", {"question": "?", "anser": "x"}, "line 2: there is no field 'answer'.*has question, anser"),
        (
            "exact",
            {"question": "?", "answer": ["x"]},
            r"line 2: the field 'answer' must be text or a number, not \[\"x\"\]",
        ),
        ("number", {"question": "?", "answer": "x"}, "line 2: the field 'answer' is no number"),
        (
            "choice",
            {"question": "?", "answer": "E", "choices": ["x", "y"]},
            "line 2: .*neither a letter from A to B nor",
        ),
        ("regex", {"question": "?", "answer": "(("}, "line 2: the field 'answer' is no regular expression"),
        ("python", {"question": "?", "answer": "assert f("}, "line 2: the field 'answer' holds no Python tests"),
    ],
)
def test_a_mistake_in_the_questions_is_named(tmp_path: Path, score: str, row: Any, message: str) -> None:
    good = {"exact": "x", "number": 1, "choice": "A", "regex": "x", "python": "assert True"}[score]
    first = {"question": "?", "answer": good, "choices": ["x", "y"]}
    with pytest.raises(SevenbError, match=message):
        make(tmp_path, YAML.replace("exact", score), first, row)


@pytest.mark.parametrize(
    ("score", "fields", "text", "strict", "flexible"),
    [
        ("exact", {"answer": "Paris"}, "Paris", True, True),
        ("exact", {"answer": "Paris"}, "Well.\nThe answer is: **paris**.", False, True),
        ("exact", {"answer": "Paris"}, "Rome", False, False),
        ("number", {"answer": 1200}, "1,200", True, True),
        ("number", {"answer": "3/4"}, r"So \boxed{0.75}", True, True),
        ("number", {"answer": 7}, "It is 7 because of the rain.", False, True),
        ("number", {"answer": 7}, "It is 8.", False, False),
        ("choice", {"answer": "y", "choices": ["x", "y", "z"]}, "B", True, True),
        ("choice", {"answer": "B", "choices": ["x", "y", "z"]}, "Hm.\n答案：B", True, True),
        ("choice", {"answer": "B", "choices": ["x", "y", "z"]}, "I would choose option B here.", False, True),
        ("choice", {"answer": "B", "choices": ["x", "y", "z"]}, "C", False, False),
        ("contains", {"answer": ["Baker", "120"]}, "Baker wants 120 EUR.", True, True),
        ("contains", {"answer": ["Baker", "120"]}, "baker wants 120 EUR.", False, True),
        ("contains", {"answer": ["Baker", "120"]}, "Baker wants it.", False, False),
        ("regex", {"answer": r"\d{4}-\d\d"}, "2026-03", True, True),
        ("regex", {"answer": r"\d{4}-\d\d"}, "in 2026-03.", False, True),
        ("json_schema", {}, '{"total": 3}', True, True),
        ("json_schema", {"answer": {"total": 3}}, 'Here:\n```json\n{"total": 3}\n```', False, True),
        ("json_schema", {"answer": {"total": 4}}, '{"total": 3}', False, False),
        ("json_schema", {}, '{"total": "three"}', False, False),
        ("python", {"answer": "assert twice(2) == 4"}, "```python\ndef twice(x): return 2 * x\n```", True, True),
        ("python", {"answer": "assert twice(2) == 4"}, "def twice(x): return 2 * x", False, True),
        ("python", {"answer": "assert twice(2) == 4"}, "```python\ndef twice(x): return x\n```", False, False),
    ],
)
def test_answers_are_scored(
    tmp_path: Path, score: str, fields: dict[str, Any], text: str, strict: bool, flexible: bool
) -> None:
    schema = "json_schema: {type: object, properties: {total: {type: integer}}, required: [total]}\n"
    yaml = YAML.replace("exact", score) + (schema if score == "json_schema" else "")
    result = score_of(make(tmp_path, yaml, {"question": "?", **fields}), text)
    assert (result.strict, result.flexible) == (strict, flexible)


def test_programs_need_a_sandbox_unless_that_is_confirmed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def layers(*, confirm_run_unsafe_code: bool) -> Layers:
        if not confirm_run_unsafe_code:
            raise SandboxUnavailable("Confirm it with --confirm-run-unsafe-code.")
        return program.layers(confirm_run_unsafe_code=True)

    monkeypatch.setattr(solution, "layers", layers)
    task = make(tmp_path, YAML.replace("exact", "python"), {"question": "?", "answer": "assert twice(2) == 4"})
    with pytest.raises(SandboxUnavailable, match="--confirm-run-unsafe-code"):
        task.require()
    task.confirm_run_unsafe_code = True
    task.require()
    assert score_of(task, "```python\ndef twice(x): return 2 * x\n```").strict
    assert task.conditions()["sandbox"] == sandbox_kind()


def test_a_pattern_that_takes_for_ever_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_time, "SECONDS", 1.0)
    task = make(tmp_path, YAML.replace("exact", "regex"), {"question": "?", "answer": "(a+)+b"})
    result = score_of(task, "a" * 64)
    assert not result.flexible
    assert "took more than" in result.note


def test_a_pattern_in_a_schema_is_kept_and_ends_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    schema = 'json_schema: {type: object, properties: {name: {type: string, pattern: "^(a+)+$"}}}\n'
    task = make(tmp_path, YAML.replace("exact", "json_schema") + schema, {"question": "?"})
    assert score_of(task, '{"name": "aaa"}').strict
    assert "$.name: 'ab' does not match" in score_of(task, '{"name": "ab"}').note
    monkeypatch.setattr(in_time, "SECONDS", 2.0)
    result = score_of(task, json.dumps({"name": "a" * 64 + "b"}))
    assert not result.flexible
    assert "took more than" in result.note


def test_examples_become_turns_of_the_chat(tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text("question,answer\nCapital of Italy?,Rome\nCapital of Spain?,Madrid\n")
    yaml = f"{YAML}system: Be brief.\nexamples: e.csv\nshots: 1\ngroup: kind\n"
    task = make(tmp_path, yaml)
    (item,), _ = task.load(DataFinder())
    assert item.group == "city"
    assert task.prompt(item) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Capital of Italy?"},
        {"role": "assistant", "content": "Rome"},
        {"role": "user", "content": "Capital of France?"},
    ]


def test_questions_may_stand_in_the_file_itself(tmp_path: Path) -> None:
    choices = "items:\n  - {question: 'Which?', choices: [x, y], answer: y}\n"
    yaml = YAML.replace("data: q.jsonl\n", choices).replace("{{ question }}", "{{ question }}\n  {{ options }}")
    task = make(tmp_path, yaml.replace("exact", "choice"))
    (item,), _ = task.load(DataFinder())
    assert task.prompt(item) == [{"role": "user", "content": "Which?\nA. x\nB. y"}]


def test_another_template_is_another_data_hash(tmp_path: Path) -> None:
    hashes = {make(tmp_path, yaml).load(DataFinder())[1].sha256 for yaml in (YAML, f"{YAML}system: Be brief.\n")}
    assert len(hashes) == 2


def test_the_documented_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_LOOK_SECONDS", 0.01)
    (yaml,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    (rows,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "invoices.yaml").write_text(yaml)
    (tmp_path / "invoices.jsonl").write_text(rows)
    task = load_own_task(tmp_path / "invoices.yaml")

    async def run(url: str) -> TaskSummary:
        async with Client(Target(url=url, model="scripted", name="scripted")) as client:
            return await evaluate(task, client, RunStore(tmp_path / "lab"), progress=silent_progress())

    with serve(lambda question: "120 EUR" if "total" in question else "On 2026-03-01.") as server:
        summary = asyncio.run(run(server.url))
    assert (summary.strict.right, summary.strict.of, summary.task) == (2, 3, "invoices")
    assert summary.groups["sender"].value == 0
    for key in ("prompt", "score", "data", "items", "system", "answer", "choices", "group", "key", "json_schema"):
        assert f"`{key}`" in PAGE


def score_of(task: Task, text: str) -> Score:
    (item, *_), _ = task.load(DataFinder())
    answer = Answer(
        text=text, finish_reason="stop", prompt_tokens=1, cached_tokens=0, completion_tokens=1, chunks=(), seconds=1.0
    )
    return task.score(item, answer)
