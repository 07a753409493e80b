"""``sevenb bench`` as it is typed."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sevenb.lab.runs.store import RunStore
from tests.lab.speed.words import Words
from tests.lab.target.raw_server import raw_server_beside


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sevenb.cli.main", "bench", *arguments]


def bench(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SEVENB_LAB": str(folder)}
    return subprocess.run(command(*arguments), capture_output=True, text=True, env=environment, timeout=150)


def test_latency_prints_a_table_and_what_must_be_known_of_it(tmp_path: Path) -> None:
    with raw_server_beside(Words(limit=150)) as raw:
        options = ("latency", "--target", raw.url, "--contexts", "100,1K", "--output-tokens", "4", "--repeats", "2")
        done = bench(tmp_path, *options)
        assert done.returncode == 0, done.stderr
        assert "Latency of vLLM: coder" in done.stdout
        row = next(line for line in done.stdout.splitlines() if line.startswith("│ 100 "))
        assert " ms" in row
        assert "refused" in next(line for line in done.stdout.splitlines() if line.startswith("│ 1K "))
        assert "1K: refused: 1024 are too many tokens." in done.stderr
        rows = json.loads(bench(tmp_path, *options, "--json").stdout)["rows"]
        assert [row["prompt_tokens"] for row in rows] == [100, None]
        assert rows[1]["refused"] == "1024 are too many tokens."
    assert [record.state for record in RunStore(tmp_path).records("latency")] == ["done", "done"]


@pytest.mark.skipif(sys.platform == "win32", reason="sends POSIX signals")
def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = Words()
    store = RunStore(tmp_path)
    with raw_server_beside(words) as raw:
        options = ("latency", "--target", raw.url, "--contexts", "100,120", "--output-tokens", "4", "--repeats", "2")
        words.stalls_at = 3  # calibration, the warm-up and one that is measured are answered
        environment = {**os.environ, "SEVENB_LAB": str(tmp_path)}
        with subprocess.Popen(command(*options), stderr=subprocess.PIPE, text=True, env=environment) as process:
            deadline = time.monotonic() + 120
            while not (records := store.records()) or not store.samples(records[0]):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        assert process.returncode == 130
        assert "What was measured is kept; run the same command again to go on." in said
        assert "Traceback" not in said
        kept = set(store.samples(store.records()[0]))
        assert kept == {"100/cold/0"}
        words.stalls_at, words.prompts = 10**9, []
        assert bench(tmp_path, *options).returncode == 0
        assert len(words.measured) - 1 <= 6 - len(kept), "calibration, warm-ups and what was missing"
    (record,) = store.records()
    assert record.state == "done"
    assert record.sessions == 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["latency"], "Name a model, such as qwen2.5-coder:0.5b, or a server with --target URL."),
        (["latency", "--target", "127.0.0.1:9"], "No server answers at http://127.0.0.1:9/v1: connection refused"),
        (["latency", "--target", "x", "--contexts", "4Q"], "--contexts takes lengths in tokens, such as 4K,8K,32K"),
        (["latency", "no-such-model"], "The server for no-such-model did not start"),
        (["latency", "m", "--serve-options", '"'], "--serve-options '\"': No closing quotation"),
        (["latency", "m", "--serve-options", "--api-key=k"], "needs no key; leave it out of --serve-options"),
    ],
)
def test_what_cannot_be_measured_is_one_sentence(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    done = bench(tmp_path, *arguments)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert RunStore(tmp_path).records() == []
