"""A whole answer over HTTP, of every kind, comes as if nothing had happened when the engine that had begun it dies."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from sevenb.cluster.replicas import Replicas
from sevenb.engine.client import EngineClient
from sevenb.engine.handle import EngineHandle
from sevenb.engine.starting import LocalStarter
from sevenb.server.app import create_app
from sevenb.server.service import Service
from tests.server import fake_engine
from tests.server.fake_client import run, until
from tests.server.fake_server import FakeModel
from tests.server.openai.test_responses import WEATHER as RESPONSES_WEATHER
from tests.server.openai.test_tools import TOOLS, WEATHER_CALL
from tests.server.test_proof import UNIQUE, shape

STARTER = LocalStarter((sys.executable, fake_engine.__file__))
OF_EACH_ANSWER_ALONE = r"id|call_id|(created|completed)(_at)?|timings|\w+_duration"


@dataclass(frozen=True)
class TwiceServed(FakeModel):
    """A model with two engines."""

    def engine(self, memory: int | None) -> Any:
        return Replicas([EngineClient(self.config, starter=STARTER) for _ in range(2)], self.max_open_requests)


@asynccontextmanager
async def serving(gate: Path) -> AsyncIterator[tuple[httpx.AsyncClient, EngineHandle]]:
    """The application, whose answers have no more than three tokens before the ``gate`` is there."""
    config = msgspec.json.encode({"gate": str(gate), "gate_after": 3})
    service = Service([TwiceServed(config, ["echo"])])
    await service.start()
    try:
        await service.wait_ready()
        assert service.main.client is not None
        app = create_app(service)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as http:
            yield http, service.main.client
    finally:
        await service.close()


def alike(body: Any) -> Any:
    """What two answers to the same question have in common."""
    if isinstance(body, dict):
        return {key: alike(value) for key, value in body.items() if not re.fullmatch(OF_EACH_ANSWER_ALONE, key)}
    return [alike(value) for value in body] if isinstance(body, list) else body


async def answers_begun(http: httpx.AsyncClient) -> int:
    """Of how many the first token has come."""
    metrics = (await http.get("/metrics")).text
    found = re.search(r"^sevenb_time_to_first_token_seconds_count{.*} (\d+)", metrics, re.MULTILINE)
    return int(found[1]) if found else 0


def says(text: str) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}]}


ASKED = {
    "a chat that calls a tool": ("/v1/chat/completions", {**says(WEATHER_CALL), "tools": TOOLS}),
    "a chat whose shape is checked": ("/v1/chat/completions", {**says("[1, 2, 3]"), **shape(UNIQUE)}),
    "a response": ("/v1/responses", {"model": "echo", "input": "hello there"}),
    "a response that calls a tool": (
        "/v1/responses", {"model": "echo", "input": WEATHER_CALL, "tools": [RESPONSES_WEATHER]},
    ),
    "a message that uses a tool": (
        "/v1/messages",
        {**says(WEATHER_CALL), "max_tokens": 200,
         "tools": [{"name": "get_weather", "input_schema": {"type": "object"}}]},
    ),
    "a chat of Ollama's": ("/api/chat", {**says(WEATHER_CALL), "tools": TOOLS, "stream": False}),
}  # fmt: skip


def test_a_whole_answer_is_the_same_when_the_engine_that_had_begun_it_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sevenb.engine.client.STABLE_SECONDS", 0.0)  # no pause after the next of several ends
    gate = tmp_path / "gate"

    async def test() -> None:
        async with serving(gate) as (http, engines):
            assert isinstance(engines, Replicas)
            for deaths, (kind, (path, body)) in enumerate(ASKED.items()):
                gate.unlink(missing_ok=True)
                begun = await answers_begun(http)
                asked = asyncio.create_task(http.post(path, json=body))
                while await answers_begun(http) == begun:
                    await asyncio.sleep(0.02)
                (busy,) = (client for client in engines.clients if client.open_requests)
                os.kill(busy.pid or 0, signal.SIGKILL)
                gate.touch()
                disturbed = await asked
                await until(lambda: engines.states == ["ready", "ready"])
                assert sum(client.restarts for client in engines.clients) == deaths + 1
                undisturbed = await http.post(path, json=body)
                assert disturbed.status_code == 200, f"{kind}: {disturbed.text}"
                assert alike(disturbed.json()) == alike(undisturbed.json()), kind

    run(test())
