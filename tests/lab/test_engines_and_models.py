"""The lab from end to end: two engines and two models, measured alike, and put side by side."""

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from sevenb.cli.main import app
from sevenb.lab.progress import silent_progress
from sevenb.lab.results import LatencySummary, LoadSummary, TaskSummary
from sevenb.lab.runs.compare import Comparison
from sevenb.lab.runs.store import RunStore
from sevenb.lab.speed.latency import measure_latency
from sevenb.lab.speed.load import measure_load
from sevenb.lab.target.opening import open_target
from sevenb.lab.tasks.evaluation import evaluate
from sevenb.lab.tasks.own import load_own_task
from tests.console.llama_cpp_server import llama_cpp_serving

TASK = """
name: capitals
prompt: "What is the capital of {{ country }}? Answer with the name of the city alone."
data: capitals.jsonl
score: contains
max_tokens: 12
"""
CAPITALS = {"France": "Paris", "Japan": "Tokyo", "Italy": "Rome", "Spain": "Madrid", "Egypt": "Cairo", "Peru": "Lima"}
KINDS = {"latency", "load", "eval:capitals"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]  # llama.cpp waits by spinning: slow where others compute


async def measure(store: RunStore, task: Path, name: str, model: Path | None, url: str | None) -> None:
    """Latency, load and quality on a small sample."""
    quiet = silent_progress()
    options = [] if url else ["--max-model-len", "1024"]
    opened = open_target(str(model) if model else None, url, None, progress=quiet, serve_options=options, name=name)
    async with opened as client:
        await measure_latency(client, store, contexts=(128,), output_tokens=8, repeats=2, progress=quiet)
        await measure_load(
            client, store, clients=(1, 2), num_prompts=4, input_tokens=128, output_tokens=8, progress=quiet
        )
        await evaluate(load_own_task(task), client, store, progress=quiet)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, coder_05b: Path, smollm2: Path) -> RunStore:
    """A lab in which each engine was measured with each model."""
    folder = tmp_path_factory.mktemp("engines")
    lines = (json.dumps({"country": country, "answer": city}) for country, city in CAPITALS.items())
    (folder / "capitals.jsonl").write_text("\n".join(lines))
    task = folder / "capitals.yaml"
    task.write_text(TASK)
    store = RunStore(folder / "lab")
    for model, path in (("coder", coder_05b), ("smollm2", smollm2)):
        asyncio.run(measure(store, task, f"sevenb {model}", path, None))
        with llama_cpp_serving(path) as url:
            asyncio.run(measure(store, task, f"llama.cpp {model}", None, url))
    return store


def compared(store: RunStore, monkeypatch: pytest.MonkeyPatch, first: str, second: str) -> dict[str, Comparison]:
    monkeypatch.setenv("SEVENB_LAB", str(store.folder))
    result = CliRunner().invoke(app, ["compare", first, second, "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    return {each.kind: each for each in msgspec.json.decode(result.stdout, type=list[Comparison])}


def test_every_engine_and_model_was_measured(store: RunStore) -> None:
    records = store.records()
    assert {record.state for record in records} == {"done"}
    assert len(records) == 4 * len(KINDS)
    for record in records:
        match record.kind:
            case "latency":
                (row,) = record.result(LatencySummary).rows
                assert (row.prompt_tokens, row.output_tokens, row.refused) == (128, 8, None)
                assert row.ttft is not None
                assert row.ttft.count == 2
            case "load":
                rows = record.result(LoadSummary).rows
                assert [(row.clients, row.requests, row.failed) for row in rows] == [(1, 4, 0), (2, 4, 0)]
                assert [(row.prompt_tokens, row.output_tokens) for row in rows] == [(4 * 128, 4 * 8)] * 2
            case _:
                summary = record.result(TaskSummary)
                assert (summary.strict.of, summary.failed) == (len(CAPITALS), 0)


def test_two_engines_are_compared_on_the_same_model(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = compared(store, monkeypatch, "sevenb coder", "llama.cpp coder")
    assert kinds.keys() == KINDS
    engines = next(line for line in kinds["latency"].differences if line.startswith("engine"))
    assert "sevenb 0.1.0" in engines
    assert "llama.cpp" in engines
    assert {"TTFT", "TPOT"} <= {figure.name for figure in kinds["latency"].figures if figure.ratio}
    assert {figure.row for figure in kinds["load"].figures} == {"1 client", "2 clients"}
    quality = kinds["eval:capitals"].quality[0]
    assert quality.shared == len(CAPITALS)
    # The same file, read by two programs: they know the same capitals, but perhaps for one.
    assert quality.difference.only_first + quality.difference.only_second <= 1
    assert quality.first.right >= 4


def test_two_models_are_compared_on_the_same_engine(store: RunStore, monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = compared(store, monkeypatch, "sevenb coder", "sevenb smollm2")
    assert kinds.keys() == KINDS
    assert not [line for line in kinds["load"].differences if line.startswith("engine")]
    decode = next(figure for figure in kinds["latency"].figures if figure.name == "decode")
    assert decode.ratio is not None
    assert (decode.unit, decode.better) == ("tokens/s", "higher")
    unfair = [line for each in kinds.values() for line in each.warnings if "busy" not in line]
    assert not [line for line in unfair if not line.startswith(("kv", "context"))], unfair
