"""The examples of docs/structured-output.md run, and its limits are the real ones."""

import re
from pathlib import Path

import pytest

from sevenb.structured import limits
from sevenb.structured.output_format import OutputFormat

_PAGE = (Path(__file__).parents[2] / "docs" / "structured-output.md").read_text()
_EXAMPLES = re.findall(r"^```python\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)


def test_the_limits_are_those_of_the_code() -> None:
    for number, unit in (
        (limits.MAX_SOURCE_BYTES // 1024, " KB"),
        (limits.MAX_DEPTH, " levels"),
        (limits.MAX_DISTINCT, " different property names"),
        (limits.MAX_ENUM, " values in an `enum`"),
        (limits.MAX_BRANCHES, " branches"),
        (limits.MAX_GRAMMAR_BYTES // 1024, " KB"),
        (limits.MAX_GBNF_BYTES // 1024, " KB"),
        (limits.MAX_REPEAT, " count as"),
    ):
        assert f"{number:,}{unit}" in " ".join(_PAGE.split())


def test_the_grammar_compiles() -> None:
    [grammar] = re.findall(r"^```lark\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
    assert OutputFormat("grammar", grammar, "grammar").constraint().grammar


def test_the_example_without_a_server_runs(coder_05b: Path, capsys: pytest.CaptureFixture[str]) -> None:
    [example] = [code for code in _EXAMPLES if "LLM(" in code]
    exec(compile(example, "docs/structured-output.md", "exec"), {"__name__": "__example__"})
    assert re.search(r"name='.*' age=\d+", capsys.readouterr().out)
