"""An engine that cannot load beside others which can is begun anew, a few times; where none can, nobody tries again."""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from sevenb.cluster.replicas import Replicas, which_engine
from sevenb.engine.client import EngineClient
from sevenb.engine.starting import LocalStarter
from sevenb.errors import EngineDied, OutOfMemory
from sevenb.server.service import Service
from tests.server import fake_engine
from tests.server.fake_client import answer, ask, run, until
from tests.server.fake_server import FakeModel

STARTER = LocalStarter((sys.executable, fake_engine.__file__))

_FAILING = """
import os, signal, sys
from pathlib import Path
from sevenb.engine.process import run
from sevenb.errors import EngineDied, OutOfMemory
from sevenb.server.service import Service
from tests.server import fake_engine

attempts, failures, way = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]

def load(config, report):
    with attempts.open("ab") as file:
        file.write(b".")
    if attempts.stat().st_size > failures:
        return fake_engine.load(config, report)
    if way == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OutOfMemory("A neighbour has all of it.")

sys.exit(run(load))
"""


def failing(attempts: Path, failures: int, way: str = "refused") -> LocalStarter:
    """Begins engines of which the first ``failures`` cannot load; ``attempts`` grows by a byte with each."""
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    return LocalStarter((sys.executable, "-c", _FAILING, str(attempts), str(failures), way), {"PYTHONPATH": paths})


@asynccontextmanager
async def replicas(*starters: LocalStarter) -> AsyncIterator[Replicas]:
    count = len(starters)
    clients = [EngineClient(b"{}", starter=one, name=which_engine(n, count)) for n, one in enumerate(starters)]
    handle = Replicas(clients, 10)
    await handle.start()
    try:
        yield handle
    finally:
        await handle.close()


@pytest.mark.parametrize(
    ("way", "reason"), [("refused", "A neighbour has all of it."), ("killed", "Engine 2 of 2 was killed;")]
)
def test_one_that_cannot_load_while_another_can_is_begun_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, way: str, reason: str
) -> None:
    async def test() -> None:
        async with replicas(STARTER, failing(tmp_path / "attempts", 1, way)) as handle:
            await handle.wait_ready()
            assert await answer(handle, ask(b"meanwhile")) == b"meanwhile"
            await until(lambda: handle.states == ["ready", "ready"])
            late = handle.clients[1]
            assert late.failure is None
            assert await answer(late, ask(b"late")) == b"late"
            assert handle.info is not None
            assert handle.info.device == "2 × a fake engine"

    run(test())
    assert f"Engine 2 of 2 could not load, which others could: {reason}" in caplog.text


def test_one_that_never_loads_is_given_up_and_the_others_serve_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sevenb.engine.client.MAX_FAST_FAILURES", 1)
    attempts = tmp_path / "attempts"

    async def test() -> None:
        async with replicas(failing(attempts, 1000), STARTER) as handle:
            await handle.wait_ready()
            ending = asyncio.create_task(handle.wait_failed())
            await until(lambda: handle.states == ["failed", "ready"])
            await until(lambda: "not begun again" in caplog.text)
            assert not ending.done()
            assert await answer(handle, ask(b"alone")) == b"alone"
        assert await ending is None

    with caplog.at_level(logging.INFO):
        run(test())
    assert attempts.stat().st_size == 2
    assert (
        "Engine 1 of 2 has failed too often and is not begun again; the others serve on. At last: A neighbour has all"
        in caplog.text
    )


def test_where_none_can_load_the_reason_is_told_and_none_is_tried_again(tmp_path: Path) -> None:
    files = [tmp_path / "first", tmp_path / "second"]

    async def test() -> None:
        async with replicas(*(failing(file, 1000) for file in files)) as handle:
            with pytest.raises(OutOfMemory, match="A neighbour has all of it"):
                await handle.wait_ready()
            assert isinstance(await handle.wait_failed(), OutOfMemory)

    run(test())
    assert [file.stat().st_size for file in files] == [1, 1]


def test_a_server_that_ends_for_want_of_an_engine_begins_no_other() -> None:
    begun: list[int | None] = []

    @dataclass(frozen=True)
    class Unstartable(FakeModel):
        def engine(self, memory: int | None) -> EngineClient:
            begun.append(memory)
            return EngineClient(b"{}", starter=LocalStarter(("/there/is/no/such/program",)))

    async def test() -> None:
        service = Service([Unstartable(b"{}", ["echo"])])
        await service.start()
        with pytest.raises(EngineDied, match="could not be started"):
            await service.wait_ready()
        assert isinstance(await service.wait_failed(), EngineDied)
        await service.close()

    run(test())
    assert len(begun) == 1
