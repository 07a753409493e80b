"""A server over two engines that a real Ray cluster placed: one is killed under load, and nothing is lost."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec

import httpx
import psutil
import pytest

from tests.e2e.conftest import Program, serving
from tests.needed import leave_out
from tests.processes import children_of, left_after


@pytest.fixture(scope="module")
def cluster() -> Iterator[Program]:
    """SmolLM2 on two engines in a Ray cluster of this machine alone."""
    if find_spec("ray") is None:
        leave_out("ray is not installed: pip install 'sevenb[cluster]'")
    options = ("--ray", "--replicas", "2", "--no-console", "--max-model-len", "1024", "--only")
    with serving("smollm2:135m", *options) as program:
        yield program


def actors(cluster: Program) -> list[psutil.Process]:
    """The processes of the engines."""
    found = []
    for process in children_of(cluster.process.pid, recursive=True):
        with suppress(psutil.Error):
            if (process.cmdline() or [""])[0].startswith("ray::EngineActor"):
                found.append(process)
    return found


async def stream(http: httpx.AsyncClient, number: int) -> str:
    """The text of a streamed answer. Raises AssertionError where it ends with an error."""
    body = {"model": "smollm2:135m", "prompt": f"Story {number}: once upon a time", "max_tokens": 12, "stream": True,
            "ignore_eos": True, "temperature": 0}  # fmt: skip
    text = ""
    async with http.stream("POST", "/v1/completions", json=body) as response:
        assert response.status_code == 200, await response.aread()
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                event = json.loads(line[6:])
                assert "error" not in event, event
                text += "".join(choice["text"] for choice in event["choices"])
    return text


def test_both_engines_answer_as_one_server(cluster: Program) -> None:
    with cluster.http as http:
        texts = [
            http.post(
                "/v1/completions",
                json={"model": "smollm2:135m", "prompt": "The sun is", "max_tokens": 8, "temperature": 0},
            ).json()["choices"][0]["text"]
            for _ in range(4)
        ]
    assert len(set(texts)) == 1
    assert len(actors(cluster)) == 2
    assert "2 × native" in "".join(cluster.output)


def test_an_engine_killed_under_load_loses_no_request_that_had_not_begun(cluster: Program) -> None:
    async def test() -> list[str]:
        async with httpx.AsyncClient(base_url=cluster.url, timeout=120) as http:
            victim = actors(cluster)[0]
            os.kill(victim.pid, signal.SIGSTOP)  # what it is sent does not begin
            streams = [asyncio.create_task(stream(http, number)) for number in range(24)]
            while sum(task.done() for task in streams) < 12:
                await asyncio.sleep(0.05)
            os.kill(victim.pid, signal.SIGKILL)
            return await asyncio.gather(*streams)

    assert all(asyncio.run(asyncio.wait_for(test(), 200)))
    with cluster.http as http:
        assert http.get("/health").status_code == 200


def told(command: list[str], **environment: str) -> str:
    """Why the process that speaks to Ray cannot begin."""
    process = subprocess.Popen(
        [sys.executable, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **environment}
    )
    with process:
        assert process.stdout is not None
        message: str = json.loads(process.stdout.readline())["message"]
        assert process.wait() == 1
    return message


def test_without_ray_it_says_what_to_install() -> None:
    hidden = "import sys; sys.modules['ray'] = None; from sevenb.cluster.ray_host import main; main()"
    assert "pip install 'sevenb[cluster]'" in told(["-c", hidden])


def test_a_cluster_that_is_not_there_is_named() -> None:
    if find_spec("ray") is None:
        leave_out("ray is not installed: pip install 'sevenb[cluster]'")
    message = told(["-m", "sevenb.cluster.ray_host"], RAY_ADDRESS="127.0.0.1:1")
    assert "Ray could not be reached at 127.0.0.1:1" in message


# As Ray 2.60 does it: the cause is a part of the text of another error.
REFUSING = """
import sys
from types import SimpleNamespace
from sevenb.cluster.ray_host import main

def init(**_):
    try:
        raise RuntimeError("Failed to connect to GCS. Last connection error: InvalidAuthToken: token is missing")
    except RuntimeError as error:
        raise ConnectionError("Failed to connect to Ray cluster at 127.0.0.1:6379") from error

sys.modules["ray"] = SimpleNamespace(init=init)
main()
"""


def test_a_cluster_that_wants_a_token_is_told_from_one_that_is_not_there() -> None:
    assert "RAY_AUTH_MODE=token" in told(["-c", REFUSING])


CONNECTING_FOR_EVER = """
import sys, time
from types import SimpleNamespace
from sevenb.cluster.ray_host import main

def init(**_):
    print("connecting", file=sys.stderr, flush=True)
    time.sleep(1000)

sys.modules["ray"] = SimpleNamespace(init=init)
main()
"""


def test_the_process_that_speaks_to_ray_ends_with_the_server_also_while_it_connects() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CONNECTING_FOR_EVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    assert process.stderr.readline() == "connecting\n"
    assert process.communicate(timeout=60) == ("", "")  # which closes its standard input


def test_engines_end_with_a_server_that_is_killed(cluster: Program) -> None:
    """The last of all here: nothing of the cluster is left."""
    engines = actors(cluster)
    assert engines
    cluster.process.kill()
    cluster.process.wait()
    assert left_after(engines) == []
