"""lm-eval and the lab, on the same questions and server: the same answers word by word, and the same scores."""

import asyncio
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from sevenb.lab.data.finder import DataFinder
from sevenb.lab.progress import silent_progress
from sevenb.lab.runs.store import RunStore
from sevenb.lab.target.client import Client
from sevenb.lab.target.target import Target
from sevenb.lab.tasks.evaluation import evaluate
from sevenb.lab.tasks.registry import TASKS
from tests.e2e.conftest import serving

EXAMPLES = [
    ("Ida has 4 boxes with 6 pencils each. How many pencils has she?", "She has 4 * 6 = 24 pencils.\n#### 24"),
    ("A tram carries 30 people. 12 get off and 5 get on. How many are on it?", "30 - 12 = 18, 18 + 5 = 23.\n#### 23"),
    ("A book costs $8 and a pen $3. What do 2 books and 3 pens cost?", "2 * 8 = 16, 3 * 3 = 9, 16 + 9 = 25.\n#### 25"),
    ("Half of 48 eggs are brown. How many are not?", "48 / 2 = 24 are brown, 48 - 24 = 24 are not.\n#### 24"),
    ("Tom runs 3 km on each of 5 days. How far does he run?", "He runs 3 * 5 = 15 km.\n#### 15"),
]
QUESTIONS = [
    ("A farmer has 7 rows with 8 trees each. How many trees has he?", "#### 56"),
    ("Lea had 50 marbles and gave 13 to each of 2 friends. How many are left?", "#### 24"),
    ("A shirt costs $20 and is sold at a quarter less. What does it cost now?", "#### 15"),
    ("A tank holds 1200 litres and is filled at 80 litres a minute. How many minutes does that take?", "#### 15"),
    ("Three siblings share 2 cakes of 9 pieces each. How many pieces does each get?", "#### 6"),
    ("Nils reads 12 pages a day, twice as many on each day of the weekend. How many pages a week?", "#### 108"),
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder as the lab takes it, and beside it lm-eval's own GSM8K task with nothing but the data replaced."""
    folder = tmp_path / "data" / "gsm8k"
    folder.mkdir(parents=True)
    for name, rows in (("train", EXAMPLES), ("test", QUESTIONS)):
        lines = [json.dumps({"question": question, "answer": answer}) for question, answer in rows]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "same.yaml").write_text(
        f"""\
include: {files("lm_eval") / "tasks" / "gsm8k" / "gsm8k.yaml"}
task: same_gsm8k
dataset_path: json
dataset_name: null
dataset_kwargs:
  data_files:
    train: {folder / "train.jsonl"}
    test: {folder / "test.jsonl"}
fewshot_config:
  sampler: first_n
"""
    )
    return tmp_path


def by_the_lab(folder: Path, url: str) -> dict[str, dict[str, Any]]:
    store = RunStore(folder / "lab")

    async def measure() -> None:
        async with Client(Target(url, "coder", "coder")) as client:
            task = TASKS["gsm8k"].make("5-shot")
            await evaluate(task, client, store, data=DataFinder(folder / "data"), progress=silent_progress())

    asyncio.run(measure())
    (record,) = store.records("eval:gsm8k")
    return store.samples(record)


def by_lm_eval(folder: Path, url: str) -> dict[str, dict[str, dict[str, Any]]]:
    """Its samples by filter, and by the number of the item."""
    arguments = (
        f"model=coder,base_url={url}/completions,num_concurrent=6,tokenizer_backend=None,tokenized_requests=False"
    )
    command = [sys.executable, "-m", "lm_eval", "run", "--model", "local-completions", "--model_args", arguments]
    command += [
        "--tasks",
        "same_gsm8k",
        "--include_path",
        str(folder),
        "--log_samples",
        "--output_path",
        str(folder / "out"),
    ]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(folder / "hub")}
    run = subprocess.run(
        command, cwd=folder, env={**os.environ, **offline}, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (samples,) = (folder / "out").rglob("samples_same_gsm8k_*.jsonl")
    found: dict[str, dict[str, dict[str, Any]]] = {"strict-match": {}, "flexible-extract": {}}
    for sample in map(json.loads, samples.read_text().splitlines()):
        found[sample["filter"]][str(sample["doc_id"])] = sample
    return found


@pytest.mark.slow
def test_answers_and_scores_are_the_same_item_by_item(data: Path, coder_05b: Path) -> None:
    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", "2048", "--no-console") as program:
        ours = by_the_lab(data, f"{program.url}/v1")
        theirs = by_lm_eval(data, f"{program.url}/v1")
    strict, flexible = theirs["strict-match"], theirs["flexible-extract"]
    assert set(ours) == set(strict) == set(flexible) == {str(number) for number in range(len(QUESTIONS))}
    for key, sample in ours.items():
        assert sample["answer"] == strict[key]["resps"][0][0], key
        assert sample["score"]["strict"] == bool(strict[key]["exact_match"]), key
        assert sample["score"]["flexible"] == bool(flexible[key]["exact_match"]), key
    assert any(sample["score"]["strict"] for sample in ours.values())
