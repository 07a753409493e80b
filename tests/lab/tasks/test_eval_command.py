"""`sevenb eval` as it is typed: on a real model, against any server, stopped and gone on with, and given nonsense."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.lab.tasks.scripted_server import serve

QUESTIONS = [{"question": f"What is {n} + {n}?", "answer": f"#### {2 * n}"} for n in range(1, 7)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data" / "gsm8k").mkdir(parents=True)
    lines = "".join(json.dumps(question) + "\n" for question in QUESTIONS)
    (tmp_path / "data" / "gsm8k" / "test.jsonl").write_text(lines)
    return tmp_path / "data"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "sevenb.cli.main", "eval", *arguments]


def run(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SEVENB_LAB": str(tmp_path / "lab"), "COLUMNS": "200"}
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment, timeout=240, check=False
    )


def right(question: str) -> str:
    return f"\\boxed{{{2 * int(question.split()[2])}}}"


def test_a_real_model_is_started_measured_and_ended(tmp_path: Path, data: Path, smollm2: Path) -> None:
    done = run(
        tmp_path, "gsm8k", "-m", str(smollm2), "--data", str(data), "--limit", "3", "--max-tokens", "12", "--json"
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (task,) = json.loads(done.stdout)["tasks"]
    assert task["strict"]["of"] == 3
    assert task["of"] == 6
    assert 0 < task["output_tokens"] <= 36
    assert task["failed"] == 0
    assert task["settings"]["concurrency"] > 1
    assert len(task["data"]["sha256"]) == 64


def test_any_server_is_measured_and_the_table_says_how(tmp_path: Path, data: Path) -> None:
    with serve(right) as server:
        done = run(tmp_path, "gsm8k", "--target", server.url, "--data", str(data))
    assert done.returncode == 0, done.stderr
    for part in ("GSM8K", "100.0", "61.0–100.0", "preset qwen2.5", "licence MIT", "sha256"):
        assert part in done.stdout


def test_formulas_and_programs_are_judged_by_processes_of_their_own(tmp_path: Path, data: Path) -> None:
    (data / "math500").mkdir()
    problem = {"problem": "Half of one?", "answer": "\\frac{1}{2}", "subject": "Algebra"}
    (data / "math500" / "test.jsonl").write_text(json.dumps(problem))
    (data / "humaneval").mkdir()
    program = {
        "task_id": "Own/0", "prompt": 'def half(n):\n    """Half of it."""\n', "entry_point": "half",
        "test": "def check(candidate):\n    assert candidate(1) == 0.5\n",
    }  # fmt: skip
    (data / "humaneval" / "HumanEval.jsonl").write_text(json.dumps(program))

    def script(question: str) -> str:
        return "```python\ndef half(n):\n    return n / 2\n```" if "def half" in question else "\\boxed{0.5}"

    with serve(script) as server:
        done = run(tmp_path, "math500", "humaneval", "--target", server.url, "--data", str(data), "--json")
    assert done.returncode == 0, done.stderr
    assert [task["strict"]["right"] for task in json.loads(done.stdout)["tasks"]] == [1, 1]


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(tmp_path: Path, data: Path) -> None:
    reached, released = threading.Event(), threading.Event()

    def script(question: str) -> str:
        if "5 + 5" in question:
            reached.set()
            released.wait(60)
        return right(question)

    with serve(script) as server:
        arguments = ("gsm8k", "--target", server.url, "--data", str(data), "--concurrency", "1")
        environment = {**os.environ, "SEVENB_LAB": str(tmp_path / "lab")}
        stopped = subprocess.Popen(command(*arguments), stderr=subprocess.PIPE, text=True, env=environment)
        assert reached.wait(150)
        stopped.send_signal(signal.SIGINT)
        _, said = stopped.communicate(timeout=150)
        assert stopped.returncode == 130
        assert "run the same command again to go on" in said
        released.set()
        server.bodies.clear()
        done = run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert "100.0" in done.stdout
    assert [question.split()[2] for question in server.asked] == ["5", "6"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["gsm9k"], "There is no task 'gsm9k'; there are humaneval"),
        (["gsm8k", "--preset", "best"], "no preset 'best'; it has qwen2.5"),
        (["gsm8k", "--preset", "math=qwen2.5"], "math, which is not among the tasks"),
        (["gsm8k", "--data", "/nowhere/at/all"], "is no folder"),
        (["gsm8k", "--target", "http://127.0.0.1:9"], "No server answers at http://127.0.0.1:9"),
    ],
)
def test_nonsense_is_a_sentence(tmp_path: Path, data: Path, arguments: list[str], told: str) -> None:
    given = [] if "--data" in arguments else ["--data", str(data)]
    done = run(tmp_path, *arguments, *given)
    assert done.returncode == 1
    assert told in done.stderr.replace("\n", " ")
    assert "Traceback" not in done.stderr


def test_a_malformed_file_is_told_before_any_model_is_loaded(tmp_path: Path, data: Path) -> None:
    path = data / "gsm8k" / "test.jsonl"
    path.write_text(path.read_text() + '{"question": "cut o')
    done = run(tmp_path, "gsm8k", "--data", str(data), "-m", "no-such-model:at-all")
    assert done.returncode == 1
    assert "test.jsonl, line 7: this is not JSON" in done.stderr


def test_the_list_says_what_there_is_and_where_its_data_is(tmp_path: Path, data: Path) -> None:
    done = run(tmp_path, "list", "--data", str(data))
    assert done.returncode == 0
    for part in ("humaneval", "--preset auto (default)", f"folder {data}", "licence MIT", "scenarios"):
        assert part in done.stdout
