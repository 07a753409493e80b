"""The real program on the real 0.5B model, started once for all tests here."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest

from tests.model.qwen3_models import speaking_qwen3
from tests.processes import children_of

READY_SECONDS = 120  # slow machines, other tests beside this one
REPOSITORY = Path(__file__).parents[2]


@dataclass
class Program:
    """A running ``sevenb serve`` and everything it printed."""

    process: subprocess.Popen[str]
    url: str = ""
    output: list[str] = field(default_factory=list)

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=200)

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="unused", timeout=120, max_retries=0)

    @property
    def engine(self) -> psutil.Process:
        """The engine process as it is now; that of a model which was just unloaded may take a moment to end."""
        self.until(lambda: len(self.engines) == 1)
        (engine,) = self.engines
        return engine

    @property
    def engines(self) -> list[psutil.Process]:
        """The engine processes of all models."""
        return children_of(self.process.pid)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is computed until the block ends: what is running is still so."""
        engines = self.engines
        for engine in engines:
            engine.suspend()
        try:
            yield
        finally:
            for engine in engines:
                engine.resume()

    @property
    def memory(self) -> int:
        """Resident bytes of the API process and the engine process together."""
        return sum(process.memory_info().rss for process in (psutil.Process(self.process.pid), self.engine))

    def gauge(self, name: str) -> float:
        """A metric of the first model."""
        with self.http as http:
            match = re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", http.get("/metrics").text, re.MULTILINE)
        assert match, f"/metrics has no {name}"
        return float(match[1])

    def unload_further_models(self) -> None:
        """Leave the first model alone, as it was at the start."""
        with self.http as http:

            def loaded() -> list[str]:
                _, *further = http.get("/v1/models").json()["data"]
                return [card["id"] for card in further if card["state"] != "installed" and not card.get("parent")]

            for name in loaded():
                http.post("/api/generate", json={"model": name, "keep_alive": 0})
            self.until(lambda: not loaded())

    def until(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.output.extend(self.process.stdout)


@contextmanager
def serving(model: Path | str, *arguments: str, folder: Path | None = None, **environment: str) -> Iterator[Program]:
    """Start ``sevenb serve`` on a free port, wait until it says that it is ready, and kill what is left of it.

    It runs in ``folder``, or where the tests do.
    """
    command = [sys.executable, "-m", "sevenb.cli.main", "serve", str(model), "--port", "0", *arguments]
    data = tempfile.TemporaryDirectory(prefix="sevenb-data-")
    settings = {**os.environ, "SEVENB_DATA": data.name, **environment}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=settings, cwd=folder
    )
    program = Program(process)
    reader = threading.Thread(target=program._read)
    reader.start()
    try:
        program.until(
            lambda: "Server is ready!" in "".join(program.output) or process.poll() is not None, READY_SECONDS
        )
        address = re.search(r"http://\S+?:\d+", "".join(program.output))
        assert address, "".join(program.output)
        program.url = address[0]
        yield program
    finally:
        process.kill()
        process.wait()
        reader.join()
        data.cleanup()


@pytest.fixture(autouse=True)
def _first_model_alone(request: pytest.FixtureRequest) -> Iterator[None]:
    """What one test has loaded into the server that all share is gone before the next."""
    yield
    if "program" in request.fixturenames:
        request.getfixturevalue("program").unload_further_models()


@pytest.fixture(scope="session")
def program(coder_05b: Path) -> Iterator[Program]:
    """One server for every test that leaves it as it was."""
    with serving(coder_05b, "--served-model-name", "coder", "--max-model-len", "4096") as running:
        yield running


@pytest.fixture(scope="session")
def embedder(tmp_path_factory: pytest.TempPathFactory, coder_05b: Path) -> Iterator[Program]:
    """A tiny model of the family qwen3 that was made for vectors, with the 0.5B's words and 512 tokens of context."""
    path = tmp_path_factory.mktemp("models") / "qwen3-embedder.gguf"
    with serving(
        speaking_qwen3(path, coder_05b, **{"qwen3.pooling_type": 3}), "--served-model-name", "coder"
    ) as running:
        yield running


@pytest.fixture
def start_program(smollm2: Path) -> Callable[..., Any]:
    """Start a server of one's own, which a small model begins soon: ``with start_program("--api-key", "k") as it``."""
    return lambda *arguments, **environment: serving(smollm2, *arguments, **environment)
