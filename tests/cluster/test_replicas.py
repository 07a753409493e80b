"""Several real engine processes behind one handle: one is killed, and no request that had not begun is lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from sevenb.cluster.replicas import Replicas
from sevenb.engine.client import EngineClient
from sevenb.engine.starting import EngineProcess, Launch, LocalStarter
from sevenb.errors import DeviceUnavailable, EngineDied, EngineNotReady, TooManyRequests, UnsupportedModel
from tests.server import fake_engine
from tests.server.fake_client import answer, ask, run, until

STARTER = LocalStarter((sys.executable, fake_engine.__file__))

_LACKING = """
import sys
from sevenb.engine.process import run
from sevenb.errors import DeviceUnavailable

def load(*_):
    raise DeviceUnavailable("There is no card.")

sys.exit(run(load))
"""
WITHOUT_DEVICE = LocalStarter((sys.executable, "-c", _LACKING))


@asynccontextmanager
async def replicas(
    count: int = 2, max_open: int = 1000, *, keeps_trying: bool = False, **config: Any
) -> AsyncIterator[Replicas]:
    encoded = msgspec.json.encode(config)
    clients = [EngineClient(encoded, starter=STARTER, keeps_trying=keeps_trying) for _ in range(count)]
    handle = Replicas(clients, max_open)
    await handle.start()
    try:
        yield handle
    finally:
        await handle.close()


def test_requests_are_shared_out_and_answered() -> None:
    async def test() -> None:
        async with replicas(3) as handle:
            info = await handle.wait_ready()
            assert info.device.startswith("3 × ")
            prompts = [b"%d bottles" % n for n in range(30)]
            answers = await asyncio.gather(*(answer(handle, ask(p, f"r{n}")) for n, p in enumerate(prompts)))
            assert answers == prompts
            assert handle.open_requests == 0
            await until(lambda: handle.stats is not None and handle.stats.generated_tokens >= 30 * 10)
            assert all(client.stats and client.stats.generated_tokens for client in handle.clients)

    run(test())


def test_no_request_that_has_not_begun_is_lost_when_an_engine_is_killed() -> None:
    async def test() -> None:
        async with replicas(2, step_seconds=0.01) as handle:
            await handle.wait_ready()
            victim = handle.clients[0]
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGSTOP)  # it takes requests and does not begin with them
            prompts = [b"question %d" % n for n in range(40)]
            answers = [asyncio.create_task(answer(handle, ask(p, f"r{n}"))) for n, p in enumerate(prompts)]
            await until(lambda: sum(task.done() for task in answers) == 20)
            assert victim.open_requests == 20
            os.kill(victim.pid, signal.SIGKILL)
            assert await asyncio.gather(*answers) == prompts
            assert handle.open_requests == 0
            await until(lambda: victim.state == "ready" and victim.restarts == 1)
            assert await answer(handle, ask(b"once more")) == b"once more"

    run(test())


def test_an_answer_that_has_begun_ends_with_an_error_and_is_not_begun_anew() -> None:
    async def test() -> None:
        async with replicas(2, step_seconds=0.01) as handle:
            await handle.wait_ready()
            told = []

            async def read() -> None:
                async with handle.submit(ask(b"for ever", ignore_eos=True)) as stream:
                    async for output in stream:
                        told.append(output)

            reader = asyncio.create_task(read())
            await until(lambda: len(told) > 3)
            (busy,) = (client for client in handle.clients if client.open_requests)
            assert busy.pid is not None
            os.kill(busy.pid, signal.SIGKILL)
            with pytest.raises(EngineDied):
                await reader
            assert handle.state == "ready"

    run(test())


def test_when_all_are_killed_requests_wait_for_the_first_that_is_back() -> None:
    async def test() -> None:
        async with replicas(2) as handle:
            await handle.wait_ready()
            for client in handle.clients:
                assert client.pid is not None
                os.kill(client.pid, signal.SIGSTOP)
            waiting = asyncio.create_task(answer(handle, ask(b"patience")))
            await until(lambda: handle.open_requests == 1)
            for client in handle.clients:
                os.kill(client.pid or 0, signal.SIGKILL)
            assert await waiting == b"patience"
            assert await handle.wait_ready()

    run(test())


def test_a_request_that_is_given_up_while_no_engine_serves_is_taken_off_the_counts_once() -> None:
    async def test() -> None:
        async with replicas(1) as handle:
            await handle.wait_ready()
            (client,) = handle.clients
            os.kill(client.pid or 0, signal.SIGSTOP)
            waiting = asyncio.create_task(answer(handle, ask(b"never mind")))
            await until(lambda: handle.open_requests == 1)
            os.kill(client.pid or 0, signal.SIGKILL)
            await until(lambda: client.open_requests == 0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert handle.open_requests == client._open_sequences == 0

    run(test())


def test_too_many_requests_are_refused_over_all_engines_together() -> None:
    async def test() -> None:
        async with replicas(2, max_open=3, step_seconds=0.01) as handle:
            await handle.wait_ready()
            streams = [handle.submit(ask(b"x", f"r{n}", ignore_eos=True)) for n in range(3)]
            with pytest.raises(TooManyRequests, match="3 answers are open"):
                handle.submit(ask(b"x", "one more"))
            for stream in streams:
                await stream.__aexit__()
            assert await answer(handle, ask(b"now")) == b"now"

    run(test())


def test_a_model_that_cannot_be_loaded_says_why() -> None:
    async def test() -> None:
        async with replicas(2, refusal="no such architecture") as handle:
            with pytest.raises(UnsupportedModel, match="no such architecture"):
                await handle.wait_ready()
            assert isinstance(await handle.wait_failed(), UnsupportedModel)
            assert handle.state == "failed"

    run(test())


def test_an_engine_for_which_there_is_no_room_for_a_while_comes_back_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        async with replicas(2, keeps_trying=True) as handle:
            await handle.wait_ready()
            victim = handle.clients[0]
            room = asyncio.Event()
            attempts = []

            async def start(starter: LocalStarter, launch: Launch) -> EngineProcess:
                attempts.append(launch)
                if not room.is_set():
                    raise EngineNotReady("No machine has room.")
                return await begin(starter, launch)

            begin = LocalStarter.start
            monkeypatch.setattr(LocalStarter, "start", start)
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)
            await until(lambda: len(attempts) == 2)
            assert handle.states == ["restarting", "ready"]
            assert str(victim.failure) == "The engine process could not be started again: No machine has room."
            assert await answer(handle, ask(b"meanwhile", "r")) == b"meanwhile"
            room.set()
            await until(lambda: handle.states == ["ready", "ready"])

    run(test())


def test_a_server_that_ends_waits_neither_for_room_nor_lets_requests_wait_for_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sevenb.engine.client.STOP_SECONDS", 0.05)
    monkeypatch.setattr("sevenb.engine.client.PLACE_SECONDS", 0.05)

    async def test() -> None:
        async with replicas(1) as handle:
            await handle.wait_ready()
            (victim,) = handle.clients
            looking, gave_up = asyncio.Event(), asyncio.Event()

            async def look_for_ever(starter: LocalStarter, launch: Launch) -> EngineProcess:
                looking.set()
                try:
                    return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]
                finally:
                    gave_up.set()

            monkeypatch.setattr(LocalStarter, "start", look_for_ever)
            os.kill(victim.pid or 0, signal.SIGSTOP)
            waiting = asyncio.create_task(answer(handle, ask(b"patience")))
            await until(lambda: handle.open_requests == 1)
            os.kill(victim.pid or 0, signal.SIGKILL)
            await asyncio.wait_for(looking.wait(), 60)
            await until(lambda: victim.open_requests == 0)
            handle.fail_open_requests(EngineNotReady("The server ends."))
            with pytest.raises(EngineNotReady, match="The server ends"):
                await waiting
            assert not gave_up.is_set()
        assert gave_up.is_set()
        assert await handle.wait_failed() is None

    run(test())


def test_an_engine_that_lacks_the_device_that_was_asked_for_keeps_the_server_from_starting() -> None:
    async def test() -> None:
        clients = [EngineClient(b"{}", starter=starter) for starter in (STARTER, WITHOUT_DEVICE)]
        handle = Replicas(clients, 10)
        await handle.start()
        try:
            with pytest.raises(DeviceUnavailable, match=r"^Engine 2 of 2 cannot have the device .* There is no card"):
                await handle.wait_ready()
        finally:
            await handle.close()

    run(test())


def test_a_closed_handle_takes_nothing() -> None:
    async def test() -> None:
        async with replicas(2) as handle:
            await handle.wait_ready()
        with pytest.raises(EngineNotReady):
            handle.submit(ask(b"late"))
        assert await handle.wait_failed() is None

    run(test())
