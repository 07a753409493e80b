"""The clients' examples of docs/structured-output.md, run against a real server."""

import re

import pytest

from tests.e2e.conftest import REPOSITORY, Program

_PAGE = (REPOSITORY / "docs" / "structured-output.md").read_text()
_EXAMPLES = [code for code in re.findall(r"^```python\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL) if "8000" in code]


@pytest.mark.parametrize(
    ("code", "shown"),
    list(zip(_EXAMPLES, [r"name='.*' age=\d+", "yes|no", r'{"city": ".*"}'], strict=True)),
    ids=["openai", "structured_outputs", "ollama"],
)
def test_examples_run_and_show_what_they_should(
    program: Program, code: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code = code.replace("http://localhost:8000", program.url).replace("qwen2.5-coder:0.5b", "coder")
    exec(compile(code, "docs/structured-output.md", "exec"), {"__name__": "__example__"})
    assert re.fullmatch(shown, capsys.readouterr().out.strip())
