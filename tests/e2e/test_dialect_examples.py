"""The examples of docs/anthropic-and-ollama.md run as they stand, against the real program."""

import json
import re
import shlex
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Program

PAGE = (Path(__file__).parents[2] / "docs" / "anthropic-and-ollama.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run(example: str, program: Program, capsys: pytest.CaptureFixture[str]) -> str:
    code = example.replace("http://localhost:8000", program.url)
    exec(compile(code, "docs/anthropic-and-ollama.md", "exec"), {"__name__": "__example__"})
    return capsys.readouterr().out


def test_anthropic_s_client(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = [code for code in EXAMPLES if "anthropic" in code]
    arguments, _, stop_reason = run(example, program, capsys).strip().rpartition("}")
    assert json.loads(f"{arguments}}}").keys() == {"city"}
    assert stop_reason == "tool_use"


def test_ollama_s_client(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = [code for code in EXAMPLES if "ollama" in code]
    assert run(example, program, capsys).startswith("add {")


def test_curl(program: Program) -> None:
    (command,) = re.findall(r"^```sh\n(curl .*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    _, url, _, data = shlex.split(command)
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what curl sends
    response = httpx.post(url.replace("http://localhost:8000", program.url), content=data, headers=form, timeout=120)
    assert response.json()["response"]
