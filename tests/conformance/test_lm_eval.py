"""lm-eval's API models, unmodified, on two tiny tasks that need no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import Program

TASKS = Path(__file__).parent / "lm_eval_tasks"
GENERATE = {"facts_generate": "exact_match,first_word"}
CASES = [
    ("local-completions", "completions", {"facts_choice": "acc,none", **GENERATE}, ()),
    ("local-chat-completions", "chat/completions", GENERATE, ("--apply_chat_template",)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("model", "route", "tasks", "options"), CASES, ids=[case[0] for case in CASES])
def test_a_task_is_evaluated(
    program: Program, model: str, route: str, tasks: dict[str, str], options: tuple[str, ...], tmp_path: Path
) -> None:
    arguments = f"model=coder,base_url={program.url}/v1/{route},num_concurrent=4"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--model_args", arguments, *options]
    command += ["--tasks", ",".join(tasks), "--include_path", str(TASKS), "--output_path", str(tmp_path / "out")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    run = subprocess.run(
        command, cwd=TASKS, env={**os.environ, **offline}, capture_output=True, text=True, timeout=240, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (report,) = (tmp_path / "out").rglob("results_*.json")
    results = json.loads(report.read_text())["results"]
    for task, metric in tasks.items():
        assert results[task][metric] >= 0.5, results
