"""lm-eval's API models, unmodified, on two tiny tasks that need no network."""

import json
import os
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Program

TASKS = Path(__file__).parent / "lm_eval_tasks"
GENERATE = {"facts_generate": "exact_match,first_word"}
CASES = {
    "local-completions": ("completions", {"facts_choice": "acc,none", **GENERATE}, ()),
    "local-chat-completions": ("chat/completions", GENERATE, ("--apply_chat_template",)),
}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def results(program: Program, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[dict[str, Any]]]:
    """What lm-eval reports, case by case; it runs for all at once, as most of its time goes into its own start."""
    with ThreadPoolExecutor() as pool:
        return {model: pool.submit(run, program.url, model, tmp_path_factory.mktemp(model)) for model in CASES}


def run(url: str, model: str, folder: Path) -> dict[str, Any]:
    route, tasks, options = CASES[model]
    arguments = f"model=coder,base_url={url}/v1/{route},num_concurrent=4"
    command = [sys.executable, "-m", "lm_eval", "run", "--model", model, "--model_args", arguments, *options]
    command += ["--tasks", ",".join(tasks), "--include_path", str(TASKS), "--output_path", str(folder / "out")]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    done = subprocess.run(
        command, cwd=TASKS, env={**os.environ, **offline}, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (report,) = (folder / "out").rglob("results_*.json")
    told: dict[str, Any] = json.loads(report.read_text())["results"]
    return told


@pytest.mark.parametrize("model", CASES)
def test_a_task_is_evaluated(results: dict[str, Future[dict[str, Any]]], model: str) -> None:
    told = results[model].result()
    _, tasks, _ = CASES[model]
    for task, metric in tasks.items():
        assert told[task][metric] >= 0.5, told
