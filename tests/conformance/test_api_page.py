"""docs/api.md is truthful: it lists the routes that there are, and its example runs as it stands."""

import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Program

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_page_lists_every_route(program: Program) -> None:
    with program.http as http:
        paths = http.get("/openapi.json").json()["paths"]
    served = {(method.upper(), path) for path, operations in paths.items() for method in operations}
    assert set(re.findall(r"`(GET|POST|DELETE) (/\S*)`", PAGE)) == served


def test_one_question_in_three_dialects(program: Program, capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    code = example.replace("http://localhost:8000", program.url).replace("qwen2.5-coder:0.5b", "coder")
    exec(compile(code, "docs/api.md", "exec"), {"__name__": "__example__"})
    assert capsys.readouterr().out.replace(".", "").split() == ["Paris"] * 3


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (Path(__file__).parents[2] / "docs" / target).is_file(), target
