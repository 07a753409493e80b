"""Processes that share a model end together, and whoever waits for an answer is told why."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil
import pytest

from sevenb.engine.client import EngineClient
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.messages import AddRequest
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.starting import LocalStarter
from sevenb.errors import DeviceLost, EngineDied, InvalidRequest
from tests.model.tiny_gguf import TinyModel
from tests.processes import children_of, left_after
from tests.torch_or_skip import torch  # noqa: F401

PATIENCE = 150.0  # seconds
HIDDEN = 256


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TinyModel(heads=8, kv_heads=4, head_dim=32).write(tmp_path_factory.mktemp("models") / "tiny.gguf")


# An engine that waits in an exchange for the other ranks and never notices that one is gone, as NCCL may.
WAITS_FOR_EVER = """
import sys, time
from pathlib import Path
from sevenb.backend.torch import parallel
from sevenb.engine import process

def wait(*_, **options):
    Path(sys.argv[1]).touch()
    time.sleep(1000)

parallel.distributed.init_process_group = wait
sys.exit(process.run(process.load_configured_engine))
"""


@asynccontextmanager
async def engine(model: Path, ranks: int, starter: LocalStarter | None = None) -> AsyncIterator[EngineClient]:
    config = EngineConfig(
        model=str(model), backend="torch", device="cpu", tensor_parallel_size=ranks, threads=1, speculation=False
    )
    client = EngineClient(msgspec.json.encode(config), starter=starter)
    await client.start()
    try:
        yield client
    finally:
        await client.close()


async def answer(client: EngineClient, tokens: int) -> list[int]:
    request = AddRequest(
        request_id="r",
        prompt_token_ids=[1, 2, 3],
        params=SamplingParams(temperature=0, max_tokens=tokens),
        stop_token_ids=[],
        arrival=time.monotonic(),
    )
    async with client.submit(request) as stream:
        return [token.token_id async for output in stream for one in output.sequences for token in one.tokens]


async def embedding(client: EngineClient) -> bytes:
    request = AddRequest(
        request_id="e",
        prompt_token_ids=[1, 2, 3],
        params=SamplingParams(max_tokens=1),
        stop_token_ids=[],
        arrival=time.monotonic(),
        pooling="last",
    )
    async with client.submit(request) as stream:
        vectors = [output.embedding async for output in stream if output.embedding is not None]
    return vectors[0]


async def ranks_of(client: EngineClient, count: int) -> list[psutil.Process]:
    """The processes beside the engine's own, once there are as many as there have to be."""
    found: list[psutil.Process] = []

    def are_all_here() -> bool:
        assert client.pid is not None
        found[:] = children_of(client.pid)
        return len(found) == count

    await until(are_all_here)
    return found


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.02)


def test_the_end_of_a_rank_ends_the_engine_which_starts_again(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with engine(tiny, 3) as client:
            await client.wait_ready(PATIENCE)
            expected = await answer(client, 4)
            assert len(await embedding(client)) == HIDDEN * 4
            first, second = await ranks_of(client, 2)
            # In the middle of an answer.
            waiting = asyncio.create_task(answer(client, 400))
            await until(lambda: client.stats is not None and client.stats.running == 1)
            first.kill()
            with pytest.raises(EngineDied, match="send the request again"):
                await waiting
            await until(lambda: client.restarts == 1 and client.state == "ready")
            assert left_after([second]) == []
            assert "Rank 1 of 3, one of the processes that share the model, was killed" in caplog.text
            assert await answer(client, 4) == expected
            # While nothing is asked.
            (await ranks_of(client, 2))[1].kill()
            await until(lambda: client.restarts == 2 and client.state == "ready")
            assert await answer(client, 4) == expected
            # The engine itself.
            ranks = await ranks_of(client, 2)
            assert client.pid is not None
            psutil.Process(client.pid).kill()
            assert left_after(ranks) == []

    asyncio.run(test())


def test_the_end_of_a_rank_ends_an_engine_that_waits_for_it_while_it_loads(tiny: Path, tmp_path: Path) -> None:
    waits = tmp_path / "waits"

    async def test() -> None:
        starter = LocalStarter((sys.executable, "-c", WAITS_FOR_EVER, str(waits)))
        async with engine(tiny, 3, starter) as client:
            await until(waits.exists)
            ranks = await ranks_of(client, 2)
            ranks[0].kill()
            with pytest.raises(DeviceLost, match="Rank 1 of 3, one of the processes that share the model, was killed"):
                await client.wait_ready(PATIENCE)
            assert left_after(ranks) == []

    asyncio.run(test())


def test_an_engine_that_is_closed_leaves_no_rank_behind(tiny: Path) -> None:
    async def test() -> None:
        async with engine(tiny, 2) as client:
            await client.wait_ready(PATIENCE)
            ranks = await ranks_of(client, 1)
        assert left_after(ranks) == []

    asyncio.run(test())


def test_what_keeps_an_engine_from_starting_is_told(tmp_path: Path) -> None:
    narrow = TinyModel(heads=2, kv_heads=1, head_dim=128).write(tmp_path / "narrow.gguf")

    async def test() -> None:
        async with engine(narrow, 3) as client:
            with pytest.raises(InvalidRequest, match="choose 1 to 2"):
                await client.wait_ready(PATIENCE)

    asyncio.run(test())
