"""``sevenb serve`` as a program: what it says, how it ends, and what it outlives."""

import json
import random
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Program, serving
from tests.processes import left_after

StartProgram = Callable[..., AbstractContextManager[Program]]


def sevenb(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sevenb.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_it_says_where_it_is_and_what_it_holds(program: Program) -> None:
    output = "".join(program.output)
    assert f"{program.url}/v1" in output
    assert "4,096 tokens in one conversation" in output
    assert "KV pool" in output
    assert output.index("KV cache: ") < output.index("ready!")


def test_it_says_where_the_console_is(program: Program) -> None:
    assert re.search(rf"Console +{re.escape(program.url)} ", "".join(program.output))
    with program.http as http:
        assert http.get("/console/api/session").json()["mode"] == "local"
        assert http.get("/", headers={"Accept": "text/html"}).text.startswith("<!doctype html>")
        assert http.get("/").text == "Ollama is running"


def test_where_others_reach_it_it_shows_the_way_to_the_first_account_once(
    start_program: StartProgram, tmp_path: Path
) -> None:
    arguments, anna = ("--host", "0.0.0.0", "--max-model-len", "1024"), {"name": "anna", "password": "correct horse"}
    with start_program(*arguments, SEVENB_DATA=str(tmp_path)) as program, program.http as http:
        http.headers["X-Sevenb-Console"] = "1"
        assert http.get("/v1/models").status_code == 401
        link = re.search(r"http://127\.0\.0\.1:\d+/#/setup\?token=(\S+)", "".join(program.output))
        assert link
        assert http.post("/console/api/setup", json={"token": link[1], **anna}).status_code == 200
        key = http.post("/console/api/keys", json={"name": "program"}).json()["secret"]
        assert http.get("/v1/models", headers={"x-api-key": key}).status_code == 200
    with start_program(*arguments, SEVENB_DATA=str(tmp_path)) as program, program.http as http:
        assert "setup" not in "".join(program.output)
        assert http.get("/v1/models", headers={"x-api-key": key}).status_code == 200
        http.headers["X-Sevenb-Console"] = "1"
        assert http.post("/console/api/login", json=anna).status_code == 200


def test_without_the_console_there_is_neither_page_nor_database(start_program: StartProgram, tmp_path: Path) -> None:
    with start_program("--no-console", "--max-model-len", "1024", SEVENB_DATA=str(tmp_path)) as program:
        with program.http as http:
            assert http.get("/", headers={"Accept": "text/html"}).text == "Ollama is running"
            assert http.get("/console/api/session").status_code == 404
            assert http.get("/v1/models").status_code == 200
        assert "Console" not in "".join(program.output)
    assert list(tmp_path.iterdir()) == []


def test_ps_shows_it(program: Program) -> None:
    listing = sevenb("ps").stdout
    (line,) = [line for line in listing.splitlines() if program.url in line]
    assert "coder" in line
    assert str(program.process.pid) in line
    assert "ready" in line
    assert "4,096" in line


def test_it_serves_on_when_nobody_reads_its_output(smollm2: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "sevenb.cli.main", "serve", str(smollm2), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        transport = httpx.HTTPTransport(retries=8)  # until it listens
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=200) as http:
            answer = http.post("/v1/completions", json={"prompt": "One", "max_tokens": 64, "ignore_eos": True})
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0


def test_a_port_in_use_is_told_before_anything_is_loaded(coder_05b: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = sevenb("serve", str(coder_05b), "--port", str(port))
    assert result.returncode == 1
    assert f"Port {port}" in result.stderr
    assert "--port" in result.stderr
    assert "Loading" not in result.stderr


BAD_OPTIONS = [
    (["--host", "0.0.0.0", "--no-console"], ["--api-key", "--no-console"]),
    (["--database", "/dev/null/workspace.db"], ["/dev/null"]),
    (["--database", "carrier-pigeon://loft"], ["postgresql://"]),
    (["--upstream", "nowhere"], ["NAME=URL"]),
    (["--max-model-len", "1000000"], ["32768", "131072"]),
    (["--max-model-len", "131072", "--memory-utilization", "0.0001"], ["131072", "memory_utilization"]),
    (["--kv-cache-dtype", "int3"], ["int8"]),
    (["--swap-space", "-1"], ["--swap-space"]),
    (["--max-num-seqs", "0"], ["max_num_seqs"]),
    (["--backend", "magic"], ["native", "reference"]),
    (["--seed", "-1"], ["--seed"]),
    (["--keep-alive", "soon"], ["--keep-alive", "5m"]),
    (["--api-key", ""], ["--api-key", "empty"]),
    (["--api-key-file", "/no/such/file"], ["/no/such/file"]),
    (["smollm2:135m", "smollm2:135m"], ["smollm2:135m", "once"]),
]


@pytest.fixture(scope="module")
def bad_starts(coder_05b: Path) -> Iterator[list[Future[subprocess.CompletedProcess[str]]]]:
    """The program once with each of the bad options, two at a time: nearly all of it is Python's own start."""
    with ThreadPoolExecutor(2) as pool:
        command = ("serve", str(coder_05b), "--port", "0")
        starts = [pool.submit(sevenb, *command, *arguments) for arguments, _ in BAD_OPTIONS]
        yield starts
        for start in starts:
            start.cancel()


@pytest.mark.parametrize("case", range(len(BAD_OPTIONS)), ids=[" ".join(arguments) for arguments, _ in BAD_OPTIONS])
def test_a_bad_option_is_one_sentence(bad_starts: list[Future[subprocess.CompletedProcess[str]]], case: int) -> None:
    result = bad_starts[case].result()
    assert result.returncode in (1, 2)
    assert "Traceback" not in result.stderr
    for word in BAD_OPTIONS[case][1]:
        assert word in result.stderr


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    fake = tmp_path / "fake.gguf"
    fake.write_bytes(b"GGUF" + b"\xff" * 100)
    result = sevenb("serve", str(fake), "--port", "0")
    assert result.returncode == 1
    assert "fake.gguf" in result.stderr
    assert "Traceback" not in result.stderr


def test_killed_engine_error_event_restart_then_sigterm(coder_05b: Path) -> None:
    """One program through its whole life: a stream, ``kill -9`` of the engine, back by itself, drained and gone."""
    with serving(coder_05b, "--max-model-len", "2048") as program, program.http as http:
        engine = program.engine
        body = {"prompt": "Once upon a time", "max_tokens": 1500, "ignore_eos": True, "stream": True, "temperature": 0}
        with http.stream("POST", "/v1/completions", json=body) as stream:
            lines = (line for line in stream.iter_lines() if line)
            assert "choices" in json.loads(next(lines).removeprefix("data: "))
            engine.kill()
            *_, error, done = lines
        assert json.loads(error.removeprefix("data: "))["error"]["code"] == "engine_died"
        assert done == "data: [DONE]"

        again = {"prompt": "1 2 3 4", "max_tokens": 3, "temperature": 0}
        assert http.post("/v1/completions", json=again).json()["choices"][0]["text"] == " 5 "

        with http.stream("POST", "/v1/completions", json={**body, "max_tokens": 40}) as stream:
            lines = (line for line in stream.iter_lines() if line)
            next(lines)
            program.process.send_signal(signal.SIGTERM)
            *_, last, done = lines
        assert json.loads(last.removeprefix("data: "))["choices"][0]["finish_reason"] == "length"
        assert done == "data: [DONE]"
        engine = program.engines
        assert program.process.wait(timeout=60) == 0
        assert left_after(engine) == []
        assert "Traceback" not in "".join(program.output)


def test_ctrl_c_leaves_without_a_traceback(start_program: StartProgram) -> None:
    with start_program() as program:
        program.process.send_signal(signal.SIGINT)
        assert program.process.wait(timeout=60) == 0
    assert "Traceback" not in "".join(program.output)


def test_a_leaving_client_frees_its_blocks(program: Program) -> None:
    body = {"prompt": "Once upon a time", "ignore_eos": True, "stream": True}
    with program.http as http, http.stream("POST", "/v1/completions", json=body) as stream:
        lines = stream.iter_lines()
        next(lines)
        program.until(lambda: program.gauge("sevenb_num_requests_running") == 1)
    # Long before the answer would be whole: that takes a minute on a quick machine.
    program.until(lambda: program.gauge("sevenb_num_requests_running") == 0, seconds=10)


@pytest.mark.slow
def test_of_many_clients_none_is_lost_and_none_gets_anothers_answer(program: Program) -> None:
    """32 clients, 200 requests of mixed length, a third of which leave early; greedy text is what it is alone.

    In the end all blocks are back, and the second hundred took no more memory than the first.
    """
    prompts = ["1 2 3 4", "a b c d", "def add(a, b):", "Monday, Tuesday,", "SELECT * FROM", "The capital of France is"]

    def ask(http: httpx.Client, prompt: str, length: int) -> str:
        body = {"prompt": prompt, "max_tokens": length, "temperature": 0, "ignore_eos": True}
        return str(http.post("/v1/completions", json=body).json()["choices"][0]["text"])

    with program.http as http:
        alone = {prompt: ask(http, prompt, 16) for prompt in prompts}
    generator = random.Random(1)
    jobs = [(generator.choice(prompts), generator.randint(1, 16), generator.random() < 0.3) for _ in range(200)]

    def run(job: tuple[str, int, bool]) -> bool:
        prompt, length, leaves = job
        with program.http as client:
            if not leaves:
                return alone[prompt].startswith(ask(client, prompt, length))
            body = {"prompt": prompt, "max_tokens": 2000, "ignore_eos": True, "stream": True}
            with client.stream("POST", "/v1/completions", json=body) as stream:
                for _ in zip(range(length), stream.iter_lines(), strict=False):
                    pass
            return True

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(run, jobs[:100]))
        memory = program.memory
        assert all(pool.map(run, jobs[100:]))
    program.until(lambda: program.gauge("sevenb_num_requests_running") == 0)
    assert program.gauge("sevenb_num_requests_waiting") == 0
    program.until(lambda: program.gauge("sevenb_kv_blocks_used") == 0)
    program.until(lambda: program.memory - memory < 32 * 2**20)
