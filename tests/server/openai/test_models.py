"""Several models over HTTP: which one answers, what the server tells of them, and how it ends."""

import json
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from tests.processes import all_ended, children_of
from tests.server.conftest import RunningServer

StartServer = Callable[..., RunningServer]

SIZE = {"weight_bytes": 100, "kv_bytes": 100}


def two_models(
    start_server: StartServer, *arguments: str, second: dict[str, Any] | None = None, **config: float
) -> RunningServer:
    """``echo`` and ``second``; the latter takes its time over each token."""
    second = {**SIZE, "step_seconds": 0.02, **(second or {})}
    return start_server(*arguments, "--model", f"second={json.dumps(second)}", **SIZE, **config)


def states(server: RunningServer) -> dict[str, str]:
    return {card["id"]: card["state"] for card in server.http.get("/v1/models").json()["data"]}


def engines(server: RunningServer) -> set[int]:
    return {child.pid for child in children_of(server.process.pid)}


def events(response: httpx.Response) -> Iterator[str]:
    return (line.removeprefix("data: ") for line in response.iter_lines() if line)


def begin(server: RunningServer, model: str, prompt: str) -> Iterator[str]:
    """The rest of a stream whose first event has been read."""
    body = {"model": model, "prompt": prompt, "stream": True, "max_tokens": None}
    response = server.http.send(server.http.build_request("POST", "/v1/completions", json=body), stream=True)
    assert response.status_code == 200
    rest = events(response)
    next(rest)
    return rest


def test_each_request_is_answered_by_the_model_that_it_names(start_server: StartServer) -> None:
    server = two_models(start_server)
    assert states(server) == {"echo": "ready", "other-name": "ready", "second": "installed"}
    first, second = server.complete("a"), server.complete("a", model="second")
    assert (first.json()["model"], second.json()["model"]) == ("echo", "second")
    assert states(server)["second"] == "ready"
    assert server.http.get("/v1/models/second").json()["max_model_len"] == 4096
    assert server.complete("a", model="Second:latest").status_code == 200
    assert server.complete("a", model="").json()["model"] == "echo"
    refused = server.complete("a", model="third")
    assert refused.status_code == 404
    assert refused.json()["error"]["code"] == "model_not_found"
    metrics = server.http.get("/metrics").text
    assert 'sevenb_request_success_total{finished_reason="stop",model_name="echo"} 2.0' in metrics
    assert 'sevenb_request_success_total{finished_reason="stop",model_name="second"} 2.0' in metrics


def test_a_stream_is_never_cut_to_make_room(start_server: StartServer, tmp_path: Path) -> None:
    held = {"gate": str(tmp_path / "gate"), "gate_after": 5, "step_seconds": 0.001}
    server = two_models(start_server, "--memory-budget", "200", "--wait-seconds", "0.3", second=held)
    server.until(lambda: server.complete("a", model="second").status_code == 200)  # the idle first model had to go
    rest = begin(server, "second", "x" * 80)
    assert states(server) == {"echo": "installed", "other-name": "installed", "second": "ready"}
    assert server.http.get("/health").status_code == 200
    refused = server.complete("hello")
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "--memory-budget" in refused.json()["error"]["message"]
    (tmp_path / "gate").touch()
    *chunks, last, done = rest
    assert len(chunks) >= 78
    assert json.loads(last)["choices"][0]["finish_reason"] == "stop"
    assert done == "[DONE]"
    server.until(lambda: server.complete("hello").status_code == 200)
    assert states(server)["second"] == "installed"


def test_a_stream_of_one_model_does_not_notice_that_another_died(start_server: StartServer) -> None:
    server = two_models(start_server)
    rest = begin(server, "second", "x" * 40)
    os.kill(server.engine_pid, signal.SIGKILL)
    *_, last, _ = rest
    assert json.loads(last)["choices"][0]["finish_reason"] == "stop"
    server.until(lambda: server.complete("back").status_code == 200)
    assert server.complete("back").json()["choices"][0]["text"] == "back"


def test_streams_of_all_models_end_before_the_server_does(start_server: StartServer) -> None:
    server = two_models(start_server, step_seconds=0.02)
    streams = [begin(server, name, "x" * 30) for name in ("echo", "second")]
    running = engines(server)
    assert len(running) == 2
    server.process.send_signal(signal.SIGTERM)
    for rest in streams:
        *_, last, _ = rest
        assert json.loads(last)["choices"][0]["finish_reason"] == "stop"
    assert server.process.wait(timeout=60) == 0
    assert all_ended(running)


def test_a_server_that_loads_a_second_model_ends_when_it_is_told_to(start_server: StartServer) -> None:
    server = start_server("--model", 'second={"load_seconds": 600}')
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(server.complete, "a", model="second")
        server.until(lambda: len(engines(server)) == 2)
        running = engines(server)
        server.process.send_signal(signal.SIGTERM)
        server.process.send_signal(signal.SIGINT)  # at once, please
        assert asking.result(timeout=60).status_code == 503
    assert server.process.wait(timeout=60) == 0
    assert all_ended(running)
