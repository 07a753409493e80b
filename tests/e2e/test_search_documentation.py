"""Every example of the page about vectors, relevance and editors, run as it stands against the real program."""

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from tests.e2e.conftest import Program

PAGE = (Path(__file__).parents[2] / "docs" / "search-and-editors.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("example", "printed"),
    list(zip(EXAMPLES, ["True", r"The cat sleeps on the sofa\. 0\.\d+", r"a \+ b.*"], strict=True)),
    ids=["embeddings", "rerank", "infill"],
)
def test_an_example_prints_what_it_promises(program: Program, example: str, printed: str) -> None:
    output = StringIO()
    source = example.replace("http://localhost:8000", program.url).replace("qwen2.5-coder:0.5b", "coder")
    with redirect_stdout(output):
        exec(compile(source, "docs/search-and-editors.md", "exec"), {})
    assert re.match(printed, output.getvalue())
