"""Clients that leave, an engine that dies, a server that is told to stop, and many clients at once."""

import asyncio
import json
import os
import random
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from tests.processes import all_ended
from tests.server.conftest import RunningServer

StartServer = Callable[..., RunningServer]


def begin_stream(server: RunningServer, content: str) -> httpx.Response:
    """A stream that goes on for ever, its first chunk read."""
    body = {"messages": [{"role": "user", "content": content}], "stream": True, "ignore_eos": True}
    response = server.http.send(server.http.build_request("POST", "/v1/chat/completions", json=body), stream=True)
    assert response.status_code == 200
    return response


def test_a_client_that_leaves_a_stream_frees_its_request(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.01)
    stream = begin_stream(server, "for ever")
    lines = stream.iter_lines()
    next(lines)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 1)
    stream.close()
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0, seconds=30)


def test_a_client_that_leaves_before_its_answer_is_ready_frees_its_request(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.01)
    body = json.dumps({"prompt": "for ever", "ignore_eos": True}).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    )
    with socket.create_connection((server.http.base_url.host, server.http.base_url.port or 0)) as connection:
        connection.sendall(head.encode() + b"\r\n" + body)
        server.until(lambda: server.gauge("sevenb_num_requests_running") == 1)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0, seconds=30)


def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(start_server: StartServer) -> None:
    server = start_server()
    head = (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n"
    )
    with socket.create_connection((server.http.base_url.host, server.http.base_url.port or 0)) as connection:
        connection.sendall(head + b"{")
    server.until(lambda: 'path="/v1/completions",status="499"' in server.http.get("/metrics").text)


def test_a_killed_engine_ends_streams_with_an_error_event_and_comes_back(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.01)
    stream = begin_stream(server, "for ever")
    lines = stream.iter_lines()
    next(lines)
    os.kill(server.engine_pid, signal.SIGKILL)
    rest = [line.removeprefix("data: ") for line in lines if line]
    assert rest[-1] == "[DONE]"
    error = json.loads(rest[-2])["error"]
    assert error["code"] == "engine_died"
    assert set(error) == {"message", "type", "param", "code"}
    # A new request waits for the new engine.
    assert server.chat("again").json()["choices"][0]["message"]["content"] == "again"
    assert server.http.get("/health").status_code == 200


def test_a_killed_engine_fails_a_waiting_answer_with_503(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.01)

    async def test() -> httpx.Response:
        async with httpx.AsyncClient(base_url=server.http.base_url, timeout=120) as client:
            asking = asyncio.create_task(
                client.post("/v1/completions", json={"prompt": "for ever", "ignore_eos": True})
            )
            while server.gauge("sevenb_num_requests_running") != 1:
                await asyncio.sleep(0.02)
            os.kill(server.engine_pid, signal.SIGKILL)
            return await asking

    response = asyncio.run(test())
    assert response.status_code == 503
    assert response.json()["error"]["code"] == "engine_died"
    assert "retry-after" in response.headers


def test_health_is_503_while_the_model_loads(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(wait=False, load_gate=str(tmp_path / "gate"))
    response = server.http.get("/health")
    assert response.status_code == 503
    assert response.json() == {"status": "loading"}
    (tmp_path / "gate").touch()
    server.until_ready()


def test_a_stream_that_takes_its_time_has_its_headers_soon(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(gate=str(tmp_path / "gate"))
    with server.http.stream(
        "POST", "/v1/completions", json={"prompt": "ab", "max_tokens": 1, "stream": True}
    ) as stream:
        (tmp_path / "gate").touch()  # the headers are here, and only now the first token comes
        lines = [line for line in stream.iter_lines() if line]
    assert json.loads(lines[0].removeprefix("data: "))["choices"][0]["text"] == "a"


def test_sigterm_lets_running_streams_end_and_exits_with_0(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.02)
    body = {"prompt": "x" * 40, "stream": True}
    with server.http.stream("POST", "/v1/completions", json=body) as stream:
        lines = stream.iter_lines()
        next(lines)
        server.process.send_signal(signal.SIGTERM)
        rest = [line for line in lines if line]
    assert rest[-1] == "data: [DONE]"
    assert json.loads(rest[-2].removeprefix("data: "))["choices"][0]["finish_reason"] == "stop"
    assert server.process.wait(timeout=60) == 0
    assert all_ended([server.engine_pid])


def test_a_second_signal_ends_running_streams_with_an_error(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.01)
    stream = begin_stream(server, "for ever")
    lines = stream.iter_lines()
    next(lines)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.process.poll() is None
    server.process.send_signal(signal.SIGINT)
    rest = [line.removeprefix("data: ") for line in lines if line]
    assert json.loads(rest[-2])["error"]["code"] == "not_ready"
    assert server.process.wait(timeout=60) == 0
    assert all_ended([server.engine_pid])


def test_sigterm_while_loading_exits_at_once(start_server: StartServer) -> None:
    server = start_server(wait=False, load_seconds=300)
    assert server.http.get("/health").status_code == 503
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=60) == 0
    assert all_ended([server.engine_pid])


def test_a_slow_reader_loses_nothing(start_server: StartServer) -> None:
    server = start_server()
    with server.http.stream("POST", "/v1/completions", json={"prompt": "x" * 2000, "stream": True}) as stream:
        time.sleep(1.0)
        texts = [
            json.loads(line[6:])["choices"][0]["text"] for line in stream.iter_lines() if line.startswith("data: {")
        ]
    assert "".join(texts) == "x" * 2000


def test_of_many_clients_none_is_lost_and_none_gets_anothers_answer(start_server: StartServer) -> None:
    server = start_server(step_seconds=0.001)
    generator = random.Random(0)
    jobs = [(f"client {number} " * generator.randint(1, 12), generator.random()) for number in range(200)]

    async def ask(client: httpx.AsyncClient, prompt: str, fate: float) -> str:
        body = {"messages": [{"role": "user", "content": prompt}], "stream": fate < 0.7}
        if fate >= 0.7:
            response = await client.post("/v1/chat/completions", json=body)
            return str(response.json()["choices"][0]["message"]["content"])
        text = ""
        async with client.stream("POST", "/v1/chat/completions", json=body) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: {"):
                    text += json.loads(line[6:])["choices"][0]["delta"].get("content") or ""
                    if fate < 0.2 and len(text) > 5:
                        return prompt  # this client leaves in the middle
        return text

    async def test() -> list[str]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=server.http.base_url, timeout=120, limits=limits) as client:
            return await asyncio.gather(*(ask(client, prompt, fate) for prompt, fate in jobs))

    assert asyncio.run(test()) == [prompt for prompt, _ in jobs]
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0)
    server.until(lambda: server.gauge("sevenb_kv_blocks_used") == 0)
