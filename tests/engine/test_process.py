"""The engine process and its client: messages, death, restart and shutdown, with real processes and sockets."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from sevenb.engine.client import EngineClient
from sevenb.engine.messages import RequestOutput
from sevenb.engine.starting import EngineProcess, Launch, LocalStarter
from sevenb.errors import ContextOverflow, EngineDied, EngineNotReady, SevenbError, UnsupportedModel
from tests.processes import all_ended
from tests.server import fake_engine
from tests.server.fake_client import answer, ask, run, until

FAKE_COMMAND = (sys.executable, fake_engine.__file__)


@asynccontextmanager
async def engine(**config: Any) -> AsyncIterator[EngineClient]:
    client = EngineClient(msgspec.json.encode(config), starter=LocalStarter(FAKE_COMMAND))
    await client.start()
    try:
        yield client
    finally:
        await client.close()


def test_a_request_goes_there_and_its_tokens_come_back() -> None:
    async def test() -> None:
        async with engine() as client:
            info = await client.wait_ready(100)
            assert info.model_name == "echo"
            assert client.plan is not None
            assert client.plan.free_bytes == 2**30
            assert client.progress is not None
            assert await answer(client, ask(b"hello")) == b"hello"

    run(test())


def test_many_requests_at_once_are_not_mixed_up() -> None:
    async def test() -> None:
        async with engine() as client:
            await client.wait_ready(100)
            prompts = [f"prompt number {i} ".encode() * (1 + i % 5) for i in range(64)]
            answers = await asyncio.gather(*(answer(client, ask(p, f"r{i}")) for i, p in enumerate(prompts)))
            assert answers == prompts
            assert client.open_requests == 0

    run(test())


def test_the_engine_refuses_a_request_with_the_error_it_raised() -> None:
    async def test() -> None:
        async with engine(max_model_len=8) as client:
            await client.wait_ready(100)
            with pytest.raises(ContextOverflow, match="9 tokens but the context holds 8") as caught:
                await answer(client, ask(b"ninebytes"))
            assert caught.value.parameter == "messages"
            assert await answer(client, ask(b"short")) == b"short"

    run(test())


def test_leaving_a_stream_aborts_its_request() -> None:
    async def test() -> None:
        async with engine(step_seconds=0.005) as client:
            await client.wait_ready(100)
            async with client.submit(ask(b"for ever", ignore_eos=True)) as stream:
                async for _ in stream:
                    break
            await until(lambda: client.stats is not None and client.stats.steps > 0 and client.stats.running == 0)

    run(test())


def test_killing_the_engine_fails_open_streams_at_once_and_it_comes_back() -> None:
    async def test() -> None:
        async with engine(step_seconds=0.005) as client:
            await client.wait_ready(100)
            first_pid = client.pid
            assert first_pid is not None
            outputs: list[RequestOutput] = []

            async def read_for_ever() -> None:
                async with client.submit(ask(b"for ever", ignore_eos=True)) as stream:
                    async for output in stream:
                        outputs.append(output)

            reader = asyncio.create_task(read_for_ever())
            await until(lambda: len(outputs) > 3)
            os.kill(first_pid, signal.SIGKILL)
            with pytest.raises(EngineDied):
                await reader
            with pytest.raises(EngineNotReady):
                client.submit(ask(b"too early"))
            await client.wait_ready(100)
            assert client.pid != first_pid
            assert await answer(client, ask(b"again")) == b"again"
            assert client.restarts == 1

    run(test())


def test_an_engine_that_dies_again_and_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.engine.client.MAX_FAST_FAILURES", 1)

    async def test() -> None:
        async with engine() as client:
            for _ in range(2):
                await client.wait_ready(100)
                pid = client.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await until(lambda: client.state != "ready")
            assert isinstance(await asyncio.wait_for(client.wait_failed(), 60), EngineDied)
            with pytest.raises(EngineDied, match="was killed"):
                await client.wait_ready(100)

    run(test())


def test_an_engine_that_cannot_be_started_again_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with engine() as client:
            await client.wait_ready(100)
            assert client.pid is not None
            monkeypatch.setattr(client, "_starter", LocalStarter(("/there/is/no/such/program",)))
            os.kill(client.pid, signal.SIGKILL)
            assert isinstance(await asyncio.wait_for(client.wait_failed(), 60), EngineDied)
            with pytest.raises(EngineDied, match="started again"):
                await client.wait_ready(100)

    run(test())


def test_closing_does_not_wait_for_the_next_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with engine() as client:
            for _ in range(2):  # the second restart is put off for a while
                await client.wait_ready(100)
                pid = client.pid
                assert pid is not None
                os.kill(pid, signal.SIGKILL)
                await until(lambda: client.state == "restarting")
            monkeypatch.setattr(client, "_spawn", None)  # would fail if it were called again

    run(test())


def test_closing_ends_an_engine_that_was_just_being_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.engine.client.STOP_SECONDS", 0.1)

    class SlowStarter(LocalStarter):
        async def start(self, launch: Launch) -> EngineProcess:
            await asyncio.sleep(0.5)  # in a cluster it may take minutes to find room
            return await super().start(launch)

    async def test() -> None:
        async with engine() as client:
            await client.wait_ready(100)
            monkeypatch.setattr(client, "_starter", SlowStarter(FAKE_COMMAND))
            first = client.pid
            os.kill(first or 0, signal.SIGKILL)
            await until(lambda: client.restarts == 1)
            await client.close()
            assert client.pid is not None
            assert client.pid != first
            assert all_ended([client.pid])

    run(test(), 150)


def test_an_engine_that_cannot_load_says_why(caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        async with engine(refusal="This model needs a thing we lack; choose another.") as client:
            with pytest.raises(UnsupportedModel, match="choose another"):
                await client.wait_ready(100)
            assert client.state == "failed"

    run(test())
    assert "choose another" not in caplog.text  # whoever waited tells it, once


def test_nothing_is_left_in_the_temporary_folder_once_the_engine_is_connected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def test() -> None:
        async with engine() as client:
            await client.wait_ready(100)
            assert list(tmp_path.iterdir()) == []
            assert await answer(client, ask(b"still there")) == b"still there"

    run(test())


def test_an_engine_that_dies_while_loading_is_reported_with_its_exit_code() -> None:
    async def test() -> None:
        async with engine(dies_while_loading=True) as client:
            with pytest.raises(SevenbError, match="exit code 3"):
                await client.wait_ready(100)

    run(test())


def test_waiting_for_an_engine_that_loads_ends_with_the_time_given() -> None:
    async def test() -> None:
        async with engine(load_seconds=60) as client:
            with pytest.raises(EngineNotReady, match="loading"):
                await client.wait_ready(0.05)

    run(test())


def test_closing_leaves_no_process_behind() -> None:
    async def test() -> None:
        async with engine() as client:
            await client.wait_ready(100)
            pid = client.pid
            assert pid is not None
        assert all_ended([pid])

    run(test())


def test_the_engine_dies_with_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    engine_pid = int(parent.stdout.readline())
    assert psutil.pid_exists(engine_pid)
    parent.kill()
    parent.wait()
    assert all_ended([engine_pid])


_PARENT = f"""
import asyncio
from sevenb.engine.client import EngineClient
from sevenb.engine.starting import LocalStarter

async def main():
    client = EngineClient(b"{{}}", starter=LocalStarter({FAKE_COMMAND!r}))
    await client.start()
    await client.wait_ready(100)
    print(client.pid, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


def test_an_engine_that_is_closed_saves_what_outlives_it_first(tmp_path: Path) -> None:
    async def test() -> None:
        async with engine(saves_to=str(tmp_path / "saved")) as client:
            await client.wait_ready(100)
        assert (tmp_path / "saved").exists()

    run(test())
