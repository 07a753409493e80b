"""An answer that nobody has seen any of is begun anew where the engine that had begun it dies."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any, cast
from unittest.mock import MagicMock

import msgspec
import pytest

from sevenb.cluster.replicas import Replicas
from sevenb.engine.client import EngineClient
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.starting import LocalStarter
from sevenb.errors import EngineDied
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.embedding import run_all
from sevenb.server.generation import Generation
from sevenb.server.service import ModelText
from tests.server import fake_engine
from tests.server.fake_client import ask, run, until
from tests.server.fake_server import ByteTokenizer

STARTER = LocalStarter((sys.executable, fake_engine.__file__))


@pytest.mark.parametrize("engines", [2, 1])
def test_a_whole_answer_is_begun_anew_where_another_engine_serves(tmp_path: Path, engines: int) -> None:
    gate = tmp_path / "gate"
    config = msgspec.json.encode({"gate": str(gate), "gate_after": 3})

    async def test() -> None:
        handle = Replicas([EngineClient(config, starter=STARTER) for _ in range(engines)], 10)
        await handle.start()
        try:
            await handle.wait_ready()
            text = ModelText(cast(Tokenizer, ByteTokenizer()), MagicMock())
            model: Any = MagicMock(text=text, client=handle, max_model_len=100, adapter=None)
            service: Any = MagicMock()
            prompts = [list(b"question"), list(b"another")]
            generation = Generation(service, model, prompts, SamplingParams(), parameter="prompt")
            answers = asyncio.create_task(generation.run())
            await until(lambda: generation._computed)
            (busy,) = (client for client in handle.clients if client.open_requests)
            os.kill(busy.pid or 0, signal.SIGKILL)
            gate.touch()
            if engines == 1:
                with pytest.raises(EngineDied):
                    await answers
                return
            assert [output.text for output in await answers] == ["question", "another"]
            assert generation.usage.completion_tokens == len("question") + len("another") + 2
            assert service.count_usage.call_count == 1
        finally:
            await handle.close()

    run(test())


def test_of_several_vectors_those_that_are_missing_are_made_by_another_engine(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    config = msgspec.json.encode({"gate": str(gate), "gate_after": 3})

    async def test() -> None:
        handle = Replicas([EngineClient(config, starter=STARTER) for _ in range(2)], 10)
        await handle.start()
        try:
            await handle.wait_ready()
            model: Any = MagicMock(client=handle)
            done, waiting = msgspec.structs.replace(ask(b"12", "first"), pooling="last"), ask(b"question", "second")
            outputs = asyncio.create_task(run_all(model, [done, waiting]))
            await until(lambda: model.metrics.count_finished.called)
            (busy,) = (client for client in handle.clients if client.open_requests)
            os.kill(busy.pid or 0, signal.SIGKILL)
            gate.touch()
            first, second = await outputs
            assert first.embedding is not None
            assert second.finished
            assert model.metrics.count_finished.call_count == 2
        finally:
            await handle.close()

    run(test())
