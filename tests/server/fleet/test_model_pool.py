"""Several models in one server: loaded on first use, evicted for room, unloaded when idle, apart when one dies."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from sevenb.engine.client import EngineClient
from sevenb.engine.messages import AddRequest
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import EngineDied, EngineNotReady, OutOfMemory, SevenbError, TooManyRequests, UnsupportedModel
from sevenb.server.fleet.holds import holding
from sevenb.server.service import ServedModel, Service
from tests.processes import children_of, left_after
from tests.server.fake_server import FakeModel

SIZE = 200  # bytes that a fake model takes in the tests' budgets: 100 of weights, 100 of KV pool


@dataclass(frozen=True)
class CountedModel(FakeModel):
    """Notes the memory that each of its engines was given; ``configs`` are those of its first engines."""

    given: list[int | None] = field(default_factory=list)
    configs: list[dict[str, Any]] = field(default_factory=list)

    def engine(self, memory: int | None) -> EngineClient:
        self.given.append(memory)
        if len(self.given) <= len(self.configs):
            config = msgspec.json.encode(self.configs[len(self.given) - 1])
            return FakeModel(config, self.names).engine(memory)
        return super().engine(memory)


def model(name: str, *first: dict[str, Any], max_open_requests: int = 1024, **config: Any) -> CountedModel:
    config = {"weight_bytes": 100, "kv_bytes": 100, **config}
    return CountedModel(
        msgspec.json.encode(config), [name], max_open_requests=max_open_requests, configs=[config | c for c in first]
    )


def run(test: Callable[[Service], Awaitable[None]], *models: FakeModel, **options: Any) -> None:
    """Run a test on a service that has loaded its first model."""

    async def run() -> None:
        service = Service(models, **options)
        await service.start()
        try:
            await service.wait_ready(100)
            async with asyncio.timeout(150):
                await test(service)
        finally:
            await service.close()

    asyncio.run(run())


async def states(service: Service) -> dict[str, str]:
    return {status.name: status.state for status in await service.installed()}


async def until(condition: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    while not await condition():
        await asyncio.sleep(0.01)


async def answer(model: ServedModel, text: str) -> str:
    request = AddRequest(
        request_id=text,
        prompt_token_ids=list(text.encode()),
        params=SamplingParams(max_tokens=None),
        stop_token_ids=[256],
        arrival=0.0,
    )
    tokens: list[int] = []
    async with model.client.submit(request) as stream:
        async for output in stream:
            tokens += [token.token_id for sequence in output.sequences for token in sequence.tokens]
    return bytes(tokens[:-1]).decode()


def processes() -> set[psutil.Process]:
    return set(children_of(os.getpid()))


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    before = processes()
    yield
    assert left_after(processes() - before) == []


def test_a_model_is_loaded_when_it_is_first_asked_for_and_once_for_all_who_ask() -> None:
    second = model("b", load_seconds=0.2)

    async def test(service: Service) -> None:
        assert await states(service) == {"a": "ready", "b": "installed"}
        served = await asyncio.gather(*(service.model("b") for _ in range(5)))
        assert len(second.given) == 1
        assert {s.client.pid for s in served} == {served[0].client.pid}
        answers = await asyncio.gather(answer(served[0], "hello"), answer(await service.model("a"), "world"))
        assert tuple(answers) == ("hello", "world")

    run(test, model("a"), second)


@pytest.mark.parametrize(
    ("fault", "error"),
    [({"refusal": "No such kind of model."}, UnsupportedModel), ({"dies_while_loading": True}, EngineDied)],
)
def test_a_load_that_fails_is_told_to_all_who_wait_and_tried_anew(
    fault: dict[str, Any], error: type[Exception]
) -> None:
    async def test(service: Service) -> None:
        results = await asyncio.gather(*(service.model("b") for _ in range(3)), return_exceptions=True)
        assert [type(result) for result in results] == [error] * 3
        assert await states(service) == {"a": "ready", "b": "installed"}
        assert service.health == "ok"
        assert await answer(await service.model("b"), "again") == "again"

    run(test, model("a"), model("b", {"load_seconds": 0.1, **fault}))


@pytest.mark.parametrize("others", [False, True])
def test_a_first_model_that_cannot_be_loaded_at_the_start_is_the_end(others: bool, tmp_path: Path) -> None:
    async def test() -> None:
        gate = tmp_path / "gate"
        first = model("a", refusal="No such kind of model.", load_gate=str(gate))
        service = Service([first, model("b")], memory_budget=10 * SIZE)
        await service.start()
        if others:
            assert await answer(await service.model("b"), "meanwhile") == "meanwhile"
        gate.touch()
        assert isinstance(await asyncio.wait_for(service.wait_failed(), 60), UnsupportedModel)
        assert service.health == "failed"
        await service.close()

    asyncio.run(test())


def test_an_idle_model_is_unloaded_when_its_time_has_come_and_comes_back() -> None:
    async def test(service: Service) -> None:
        with holding():
            served = await service.model("b")
            await asyncio.sleep(0.3)
            assert await states(service) == {"a": "ready", "b": "ready"}  # somebody uses it
        process = psutil.Process(served.client.pid)

        async def is_gone() -> bool:
            return await states(service) == {"a": "ready", "b": "installed"}

        await until(is_gone)
        assert left_after([process]) == []
        with holding():
            assert await answer(await service.model("b"), "back") == "back"

    run(test, model("a"), model("b"), keep_others=0.2)


def test_the_first_model_goes_when_it_is_told_to_and_health_stays_good() -> None:
    async def test(service: Service) -> None:
        async def is_gone() -> bool:
            return await states(service) == {"a": "installed"}

        await until(is_gone)
        assert service.health == "ok"
        with holding():
            assert await answer(await service.model(None), "back") == "back"

    run(test, model("a"), keep_first=0.0)


def test_how_long_a_model_stays_can_be_changed_until_it_is_unloaded() -> None:
    async def test(service: Service) -> None:
        with holding():
            await service.model("b")
            await service.keep("b", None)
        await asyncio.sleep(0.3)
        (status,) = [status for status in await service.loaded() if status.name == "b"]
        assert status.expires_at is None
        await service.keep("b", 300.0)
        (status,) = [status for status in await service.loaded() if status.name == "b"]
        assert status.expires_at == pytest.approx(time.time() + 300, abs=60)
        await service.unload("b")
        assert await states(service) == {"a": "ready", "b": "installed"}
        await service.model("b")  # nobody holds it, and it stays as long as is usual: not at all

        async def is_gone() -> bool:
            return (await states(service))["b"] == "installed"

        await until(is_gone)

    run(test, model("a"), model("b"), keep_others=0.0)


def test_unloading_a_model_that_answers_waits_for_its_answer() -> None:
    async def test(service: Service) -> None:
        with holding():
            served = await service.model("b")
            asking = asyncio.create_task(answer(served, "a long answer"))
            await asyncio.sleep(0.05)
            await service.unload("b")
            assert await asking == "a long answer"

        async def is_gone() -> bool:
            return (await states(service))["b"] == "installed"

        await until(is_gone)

    run(test, model("a"), model("b", step_seconds=0.02), keep_others=None)


def test_the_model_used_longest_ago_makes_room() -> None:
    async def test(service: Service) -> None:
        for name in ("b", "c", "a"):
            await service.model(name)
        await service.model("d")
        assert await states(service) == {"a": "ready", "b": "installed", "c": "ready", "d": "ready"}
        assert sum(status.memory for status in await service.loaded()) <= 3 * SIZE

    run(test, *map(model, "abcd"), memory_budget=3 * SIZE)


def test_a_model_that_answers_is_never_unloaded_for_another() -> None:
    async def test(service: Service) -> None:
        with holding():
            answering = asyncio.create_task(answer(await service.model("a"), "x" * 60))
            with pytest.raises(EngineNotReady, match=r"b has no room.*--memory-budget"):
                await service.model("b")
            assert await answering == "x" * 60

    run(test, model("a", step_seconds=0.02), model("b"), memory_budget=SIZE, wait_seconds=0.5)


def test_who_waits_for_room_gets_it_when_the_answer_is_there() -> None:
    async def test(service: Service) -> None:
        with holding():
            answering = asyncio.create_task(answer(await service.model("a"), "x" * 20))
            waiting = asyncio.create_task(service.model("b"))
            assert await answering == "x" * 20
            assert await states(service) == {"a": "ready", "b": "loading"}
        assert await answer(await waiting, "then") == "then"
        assert await states(service) == {"a": "installed", "b": "ready"}

    run(test, model("a", step_seconds=0.02), model("b"), memory_budget=SIZE)


def test_models_that_race_for_the_same_room_get_it_in_turn() -> None:
    async def test(service: Service) -> None:
        async def ask(number: int) -> str:
            with holding():
                return await answer(await service.model("abc"[number % 3]), f"question {number}")

        answers = await asyncio.gather(*(ask(number) for number in range(12)))
        assert answers == [f"question {number}" for number in range(12)]
        assert list((await states(service)).values()).count("ready") == 1

    run(test, *map(model, "abc"), memory_budget=SIZE)


def test_models_named_together_share_the_budget() -> None:
    models = model("a"), model("b", weight_bytes=300)

    async def test(service: Service) -> None:
        await service.model("b")
        assert [m.given for m in models] == [[100 + 300], [300 + 300]]  # each its weights and half of what these leave

    run(test, *models, memory_budget=1000)


def test_a_model_alone_takes_what_it_likes() -> None:
    only = model("a")

    async def test(service: Service) -> None:
        assert only.given == [None]

    run(test, only)


def test_where_other_programs_have_the_memory_idle_models_go_first() -> None:
    async def test(service: Service) -> None:
        await service.model("b")
        assert await states(service) == {"a": "installed", "b": "ready"}

    run(test, model("a"), model("b", {"out_of_memory": True}), memory_budget=10 * SIZE)


def test_a_model_that_can_never_fit_takes_no_other_ones_room() -> None:
    async def test(service: Service) -> None:
        with pytest.raises(OutOfMemory, match="--memory-budget"):
            await service.model("b")
        assert await states(service) == {"a": "ready", "b": "installed"}

    run(test, model("a"), model("b", weight_bytes=1000), memory_budget=2 * SIZE)


def test_an_engine_that_dies_leaves_the_others_alone_and_comes_back() -> None:
    async def test(service: Service) -> None:
        with holding():
            other, doomed = await service.model("a"), await service.model("b")
            assert doomed.client.pid is not None
            asking = asyncio.create_task(answer(other, "x" * 30))
            failing = asyncio.create_task(answer(doomed, "x" * 1000))
            await asyncio.sleep(0.1)
            os.kill(doomed.client.pid, signal.SIGKILL)
            with pytest.raises(EngineDied):
                await failing
            assert await asking == "x" * 30
        assert service.health == "ok"
        assert await answer(await service.model("b"), "back") == "back"

    run(test, model("a", step_seconds=0.01), model("b", step_seconds=0.01))


def test_who_waits_for_a_model_hears_that_the_server_ends() -> None:
    async def test(service: Service) -> None:
        waiting = asyncio.create_task(service.model("b"))
        await asyncio.sleep(0.3)
        service.fail_open_requests(SevenbError("The end."))
        with pytest.raises(EngineNotReady, match="shutting down"):
            await asyncio.wait_for(waiting, 60)

    run(test, model("a"), model("b", load_seconds=300))


def test_no_more_wait_for_a_load_than_the_model_takes(tmp_path: Path) -> None:
    gate = tmp_path / "gate"

    async def test(service: Service) -> None:
        asking = [asyncio.create_task(service.model("b")) for _ in range(3)]
        (refused,), waiting = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert isinstance(refused.exception(), TooManyRequests)
        gate.touch()
        await asyncio.gather(*waiting)

    run(test, model("a"), model("b", load_gate=str(gate), max_open_requests=2))


def test_whatever_happens_answers_are_whole_and_the_budget_holds() -> None:
    """Many ask for four models where two have room, some leave, engines are killed: nobody gets a wrong answer."""
    generator = random.Random(0)
    told: list[str] = []
    others = processes()

    async def test(service: Service) -> None:
        async def ask(number: int) -> None:
            await asyncio.sleep(generator.random() * 3)
            try:
                with holding():
                    served = await service.model("abcd"[generator.randrange(4)])
                    assert await answer(served, f"question {number} " * generator.randint(1, 4)) in [
                        f"question {number} " * times for times in range(1, 5)
                    ]
                told.append("answered")
            except (EngineDied, EngineNotReady) as error:
                told.append(type(error).__name__)

        asking = [asyncio.create_task(ask(number)) for number in range(80)]
        for task in asking[::10]:
            asyncio.get_running_loop().call_later(generator.random() * 4, task.cancel)
        while not all(task.done() for task in asking):
            loaded = await service.loaded()
            assert sum(status.memory for status in loaded) <= 2 * SIZE
            if generator.random() < 0.02 and (engines := processes() - others):
                with contextlib.suppress(psutil.Error):  # it may just have ended
                    generator.choice(sorted(engines, key=lambda engine: engine.pid)).kill()
            await asyncio.sleep(0.02)
        for task in asking:
            if not task.cancelled():
                task.result()
        assert "answered" in told
        with holding():
            assert await answer(await service.model("a"), "in the end") == "in the end"

    run(test, *(model(name, step_seconds=0.001) for name in "abcd"), memory_budget=2 * SIZE)
