"""Running servers over the fake engine, for tests that speak HTTP."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from tests.server import forked
from tests.server.forked import Forked


@dataclass(frozen=True)
class RunningServer:
    process: Forked
    http: httpx.Client
    engine_pid: int

    def post(self, path: str, **body: Any) -> httpx.Response:
        return self.http.post(path, json=body)

    def chat(self, content: str, **body: Any) -> httpx.Response:
        return self.post("/v1/chat/completions", messages=[{"role": "user", "content": content}], **body)

    def complete(self, prompt: Any, **body: Any) -> httpx.Response:
        return self.post("/v1/completions", prompt=prompt, **body)

    def gauge(self, name: str, model: str = "echo") -> float:
        for line in self.http.get("/metrics").text.splitlines():
            if line.startswith((f"{name} ", f'{name}{{model_name="{model}"}} ')):
                return float(line.split()[1])
        raise AssertionError(f"/metrics has no {name}")

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def answers(self) -> bool:
        with contextlib.suppress(httpx.ConnectError):
            self.http.get("/health")
            return True
        return False

    def until_ready(self) -> None:
        self.until(lambda: self.http.get("/health").status_code == 200)


@contextmanager
def running_server(*arguments: str, wait: bool = True, **config: Any) -> Iterator[RunningServer]:
    process = forked.start(*arguments, msgspec.json.encode(config).decode())
    try:
        port, engine_pid = map(int, process.stdout.readline().split())
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            server = RunningServer(process, http, engine_pid)
            server.until(server.answers)
            if wait:
                server.until_ready()
            yield server
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def server() -> Iterator[RunningServer]:
    """A quick engine that is never disturbed; a stream that fails at once has its status on busy machines, too."""
    with running_server("--status-seconds", "60") as running:
        yield running


@pytest.fixture
def start_server() -> Iterator[Callable[..., RunningServer]]:
    """Start servers of one's own: ``start_server("--api-key", "k", step_seconds=0.01)``."""
    with ExitStack() as stack:
        yield lambda *arguments, **config: stack.enter_context(running_server(*arguments, **config))
