"""The examples of docs/adapters.md run as they stand, with adapters under the names they use."""

import re
from pathlib import Path
from typing import Any

import pytest

from sevenb.model.checkpoint import Checkpoint
from tests.e2e.conftest import serving
from tests.model.random_adapter import RandomAdapter

PAGE = (Path(__file__).parents[2] / "docs" / "adapters.md").read_text()
COMMAND = re.findall(r"^sevenb serve (\S+) (.*)$", PAGE, re.MULTILINE)
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run(coder_05b: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Checkpoint.open(coder_05b) as base:
        adapter = RandomAdapter.of(base, parts=("attn_q",))
        adapter.write_peft(tmp_path / "sql-adapter")
        adapter.write_gguf(tmp_path / "review.gguf")
    ((_, options),) = COMMAND
    over_http, in_python = EXAMPLES
    with serving(coder_05b, "--max-model-len", "1024", *options.replace("=./", f"={tmp_path}/").split()) as program:
        variables: dict[str, Any] = {"__name__": "__example__"}
        exec(compile(over_http.replace("http://localhost:8000", program.url), "docs/adapters.md", "exec"), variables)
    assert variables["answer"].model == "sql"
    monkeypatch.chdir(tmp_path)
    exec(compile(in_python, "docs/adapters.md", "exec"), variables)
    tuned, plain = variables["completions"]
    assert tuned.outputs[0].token_ids
    assert plain.outputs[0].token_ids
