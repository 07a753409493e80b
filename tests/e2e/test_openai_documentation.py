"""The examples of docs/openai.md run as they stand, against the real program, and its limits are the real ones."""

import json
import re
from pathlib import Path

import pytest

from sevenb.server.openai import response_store
from tests.e2e.conftest import Program

PAGE = (Path(__file__).parents[2] / "docs" / "openai.md").read_text()
NAMES = ("chat", "completions", "responses")
EXAMPLES = dict(zip(NAMES, re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL), strict=True))


def run(name: str, program: Program, capsys: pytest.CaptureFixture[str]) -> list[str]:
    code = EXAMPLES[name].replace("http://localhost:8000", program.url).replace("qwen2.5-coder:0.5b", "coder")
    exec(compile(code, "docs/openai.md", "exec"), {"__name__": "__example__"})
    return capsys.readouterr().out.strip().splitlines()


def test_a_call_and_its_result_in_a_chat(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, *answer = run("chat", program, capsys)
    assert json.loads(arguments).keys() == {"city"}
    assert answer


def test_a_middle_that_is_filled_in(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    (middle,) = run("completions", program, capsys)
    assert "a + b" in middle


def test_a_conversation_of_responses(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    person, *answer = run("responses", program, capsys)
    assert person.startswith("name='")
    assert answer


def test_the_bounds_of_the_store_are_those_that_are_told() -> None:
    assert f"only: {response_store.MAX_RESPONSES:,} of them, {response_store.MAX_BYTES // 2**20} MiB at most" in PAGE
