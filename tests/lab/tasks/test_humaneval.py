"""HumanEval: programs are found in answers, strictly and flexibly, and pass if the task's tests do."""

import asyncio
import gzip
import json
from pathlib import Path

import pytest

from sevenb.errors import DataUnavailable, InvalidRequest
from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import silent_progress
from sevenb.lab.target.answer import Answer
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target, TargetFacts
from sevenb.lab.tasks.code.humaneval import KIND, HumanEval
from sevenb.lab.tasks.code.programs import any_program, first_block
from sevenb.lab.tasks.task import Item

HEAD = '''from typing import List

def offset() -> int:
    return 1

def raised(numbers: List[int]) -> List[int]:
    """Each number and one more.

    >>> raised([1, 2])
    [2, 3]
    """
'''
TESTS = (
    "def check(candidate):\n    assert candidate([1, 2]) == [2, 3]\n    assert candidate([]) == [] and offset() == 1\n"
)
ITEM = Item("Own/0", "", {"prompt": HEAD, "test": TESTS, "entry_point": "raised"})
BODY = "    return [n + offset() for n in numbers]\n"
WHOLE = f"from typing import List\n\ndef offset():\n    return 1\n\ndef raised(numbers: List[int]):\n{BODY}"
ALONE = f"def raised(numbers: List[int]):\n{BODY}"


def answer(text: str) -> Answer:
    return Answer(
        text=text, finish_reason="stop", prompt_tokens=1, cached_tokens=0, completion_tokens=1, chunks=(0.1,), seconds=1
    )


def verdicts(preset: str, text: str) -> tuple[bool, bool]:
    score = HumanEval(preset).score(ITEM, answer(text))
    return score.strict, score.flexible


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Here it is:\n\n```python\n{WHOLE}```\nDone.", (True, True)),
        (f"```\n{WHOLE}```", (True, True)),
        (f"```sh\npip install x\n```\n```python\n{WHOLE}```", (True, True)),  # the first block that defines it
        (f"```python\n{ALONE}```", (False, True)),  # needs the imports and helpers of the task
        (f"```python\n{WHOLE}", (False, True)),  # cut off behind the function
        (WHOLE, (False, True)),  # no block at all
        (f"Sure!\n\n{WHOLE}\nThis adds one to each number.", (False, True)),
        (f"```python\n{WHOLE.replace('+ offset()', '+ 2')}```", (False, False)),
        ("```python\nraise SystemExit(0)\n```", (False, False)),
        (f"```python\n{WHOLE}\nimport os\nos._exit(0)\n```", (False, False)),  # to end well is not to pass
        ("I cannot do that.", (False, False)),
        ("", (False, False)),
    ],
)
def test_chat_answers_are_read_strictly_and_flexibly(text: str, expected: tuple[bool, bool]) -> None:
    assert verdicts("instruct", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (WHOLE, (True, True)),
        (f"{WHOLE}```\nThis function adds one.", (True, True)),
        (f"{WHOLE}\n# Try it\nraised(None)", (True, True)),
        (ALONE, (False, True)),
    ],
)
def test_the_coder_preset_takes_what_follows_the_opened_block(text: str, expected: tuple[bool, bool]) -> None:
    assert verdicts("qwen2.5-coder", text) == expected


def test_the_completion_preset_goes_on_with_the_head() -> None:
    assert verdicts("completion", f"{BODY}\nprint(raised(0))") == (True, True)
    assert verdicts("completion", "    return numbers\n") == (False, False)


def test_why_a_program_fails_is_told() -> None:
    score = HumanEval("instruct").score(ITEM, answer(f"```python\n{WHOLE.replace('+ offset()', '/ 0')}```"))
    assert "ZeroDivisionError" in score.note
    assert score.found
    assert HumanEval("instruct").score(ITEM, answer("no")).found is None


def test_the_coder_prompt_is_the_one_of_the_report() -> None:
    prompt = HumanEval("qwen2.5-coder").prompt(ITEM)
    assert prompt == (
        "<|im_start|>system\n"
        "You are an intelligent programming assistant to produce Python algorithmic solutions<|im_end|>\n"
        "<|im_start|>user\nCan you complete the following Python function?\n"
        f"```python\n{HEAD.strip()}\n```\n<|im_end|>\n<|im_start|>assistant\n```python\n"
    )


def test_prose_that_python_could_take_for_code_is_left_away() -> None:
    text = "from here on\ndef f():\n    return 1\nThat is all."
    assert any_program(text, "f") == "def f():\n    return 1\n"
    assert first_block(text, "f") is None


def test_this_machine_lets_a_right_program_pass() -> None:
    HumanEval("instruct").require()


def test_items_are_read_from_the_packed_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"task_id": "Own/0", "canonical_solution": BODY, **ITEM.fields}
    (tmp_path / "humaneval").mkdir()
    (tmp_path / "humaneval" / "HumanEval.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode()))
    items, facts = KIND(None).load(DataFinder(tmp_path))
    assert items == [ITEM]
    assert (facts.items, facts.source, facts.licence) == (1, "folder", "MIT")


def test_a_row_without_tests_is_told_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "humaneval").mkdir()
    path = tmp_path / "humaneval" / "HumanEval.jsonl"
    path.write_text(json.dumps({"task_id": "Own/0", "prompt": HEAD, "entry_point": "raised"}))
    with pytest.raises(DataUnavailable, match=r"line 1: there is no field 'test'"):
        KIND(None).load(DataFinder(tmp_path))


class Server(Client):
    """One that tells what it is, and is asked nothing else."""

    def __init__(self, model: str, engine: str | None) -> None:
        super().__init__(Target("http://127.0.0.1:9/v1", model, model))
        self._engine = engine

    async def facts(self) -> TargetFacts:
        return TargetFacts(engine=self._engine)


@pytest.mark.parametrize(
    ("model", "engine", "preset"),
    [
        ("qwen2.5-coder:0.5b", "sevenb 0.1.0", "qwen2.5-coder"),
        ("Qwen/Qwen2.5-Coder-7B-Instruct", None, "qwen2.5-coder"),
        ("qwen2.5-coder:0.5b", "Ollama 0.12.3", "instruct"),  # puts a template around completions
        ("qwen2.5-coder:0.5b-base", "sevenb 0.1.0", "instruct"),
        ("qwen2.5:7b", "sevenb 0.1.0", "instruct"),
        ("smollm2:135m", "sevenb 0.1.0", "instruct"),
    ],
)
def test_the_preset_is_that_of_the_published_score_where_none_was_named(
    model: str, engine: str | None, preset: str
) -> None:
    asked = KIND()
    asked.confirm_run_unsafe_code = True
    prepared = asyncio.run(asked.prepare(Server(model, engine), silent_progress()))
    assert (prepared.preset, prepared.confirm_run_unsafe_code) == (preset, True)


def test_an_unknown_preset_is_told_with_those_there_are() -> None:
    with pytest.raises(InvalidRequest, match=r"instruct, qwen2\.5-coder, completion"):
        KIND("best")


def test_a_report_learns_in_what_programs_were_run() -> None:
    conditions = HumanEval("instruct").conditions()
    assert conditions["sandbox"]
    assert conditions["limits"]["seconds"] == 10
