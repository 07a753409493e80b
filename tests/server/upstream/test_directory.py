"""Which models other servers have, and what is told of servers that do not answer."""

import asyncio
from typing import Any

import pytest

from sevenb.server.upstream.address import UpstreamAddress
from sevenb.server.upstream.connection import ListedModel
from sevenb.server.upstream.directory import Upstreams, UpstreamStatus
from tests.server.upstream.other_server import (
    LLAMA_CPP_MODELS,
    LM_STUDIO_MODELS,
    OLLAMA_MODELS,
    VLLM_MODELS,
    OtherServer,
    running,
)


def look(*addresses: UpstreamAddress) -> tuple[list[ListedModel], list[UpstreamStatus]]:
    async def ask() -> tuple[list[ListedModel], list[UpstreamStatus]]:
        upstreams = Upstreams(addresses)
        try:
            return await upstreams.models(), await upstreams.statuses()
        finally:
            await upstreams.close()

    return asyncio.run(ask())


def address(server: OtherServer, key: str = "", name: str = "other") -> UpstreamAddress:
    return UpstreamAddress(name, f"{server.url}/v1", key)


@pytest.mark.parametrize(
    ("listing", "models"),
    [
        (LLAMA_CPP_MODELS, [("other/coder", 2048, True)]),
        (VLLM_MODELS, [("other/Qwen/Qwen3-8B", 40960, True)]),
        (OLLAMA_MODELS, [("other/llama3.2:latest", None, True)]),
        (
            LM_STUDIO_MODELS,
            [("other/qwen2.5-7b-instruct", None, True), ("other/text-embedding-nomic-embed-text-v1.5", None, False)],
        ),
    ],
)
def test_models_are_listed_with_what_each_kind_of_server_tells(listing: Any, models: list[Any]) -> None:
    with running(OtherServer(models=listing)) as server:
        found, statuses = look(address(server))
    assert [(model.name, model.context_length, model.writes) for model in found] == models
    assert statuses == [UpstreamStatus("other", f"{server.url}/v1", True, None)]


def test_a_server_that_is_not_there_is_told_with_the_reason_beside_one_that_is() -> None:
    with running(OtherServer()) as server:
        found, (alive, dead) = look(address(server), UpstreamAddress("gone", "http://127.0.0.1:9/v1"))
    assert [model.upstream for model in found] == ["other"]
    assert alive.reachable
    assert not dead.reachable
    assert dead.error == "gone (http://127.0.0.1:9/v1) cannot be reached (Connection refused); check that it runs."


def test_a_wrong_key_is_told_and_a_right_one_is_sent() -> None:
    with running(OtherServer(key="right")) as server:
        _, (refused,) = look(address(server, "wrong"))
        found, _ = look(address(server, "right"))
    assert refused.error is not None
    assert "SEVENB_UPSTREAM_OTHER_KEY" in refused.error
    assert len(found) == 1


@pytest.mark.parametrize("models", [b"<html>hello</html>", {"hello": 1}, {"data": 5}, [1, 2], {"data": [5]}, b""])
def test_something_else_behind_the_url_is_told(models: Any) -> None:
    with running(OtherServer(models=models)) as server:
        found, (status,) = look(address(server))
    assert not found
    assert status.error is not None
    assert "OpenAI-compatible" in status.error


def test_names_that_nobody_could_show_are_left_out() -> None:
    entries = [{"id": "good"}, {"id": ""}, {"id": 7}, {"id": "a\u202eb"}, {"id": "x" * 500}]
    with running(OtherServer(models={"data": entries})) as server:
        found, _ = look(address(server))
    assert [model.id for model in found] == ["good"]


def test_a_list_is_asked_for_once_and_kept() -> None:
    async def ask(server: OtherServer) -> None:
        upstreams = Upstreams([address(server)])
        await asyncio.gather(*(upstreams.models() for _ in range(5)))
        await upstreams.statuses()
        await upstreams.close()

    with running(OtherServer()) as server:
        asyncio.run(ask(server))
    assert server.listings == 1


def test_a_name_is_found_without_asking_anybody() -> None:
    async def find() -> list[str | None]:
        upstreams = Upstreams([UpstreamAddress("other", "http://127.0.0.1:9/v1")])
        found = [upstreams.find(name) for name in ("other/org/model:4b", "OTHER/x", "org/model", "other", "other/")]
        await upstreams.close()
        return [model.name if model is not None else None for model in found]

    assert asyncio.run(find()) == ["other/org/model:4b", "other/x", None, None, None]
