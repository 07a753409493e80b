"""Servers that mean ill: what they send ends in a sentence or in an answer, and never in a terminal's hands."""

import asyncio
import gzip
import json

import pytest

from sevenb.errors import TargetFailed
from sevenb.lab.progress import silent_progress
from sevenb.lab.target import reading
from sevenb.lab.target.client import Client
from sevenb.lab.target.opening import open_target
from sevenb.lab.target.target import Target
from tests.lab.target.raw_server import (
    DONE,
    Connection,
    Reply,
    answer_of,
    chunk,
    client_of,
    event,
    json_reply,
    raw_server,
    stream,
    text_reply,
)

HUGE = 10**30
DEEP = '{"error": ' + "[" * 50_000


def failure_of(*replies: Reply) -> str:
    with pytest.raises(TargetFailed) as caught:
        answer_of(*replies)
    return str(caught.value)


@pytest.mark.parametrize("count", [-1, HUGE, "many", 1.5, True, None, [1]])
def test_token_counts_that_are_none_are_unknown(count: object) -> None:
    usage = event({"choices": [], "usage": {"prompt_tokens": count, "completion_tokens": count}})
    timings = event({"choices": [], "timings": {"prompt_n": count, "cache_n": count, "predicted_n": count}})
    answer = answer_of(stream(chunk("Hello"), chunk(finish="stop"), usage, timings, DONE))
    assert (answer.prompt_tokens, answer.completion_tokens, answer.cached_tokens) == (None, None, None)


@pytest.mark.parametrize("time", [-1, HUGE, "soon", None])
def test_times_that_are_none_are_unknown(time: object) -> None:
    timings = event({"choices": [], "timings": {"prefill": time, "decode": time, "prompt_ms": time}})
    assert answer_of(stream(chunk("Hello"), chunk(finish="stop"), timings, DONE)).server is None


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_ANSWER_BYTES", 1 << 14)

    async def for_ever(connection: Connection) -> None:
        await connection.head()
        while True:
            await connection.send(chunk("more") * 16)

    assert "an answer without an end" in failure_of(for_ever)


def test_an_event_without_end_is_given_up() -> None:
    assert "an answer without an end" in failure_of(stream(b"data: {\n\n", b"data: 1\n\n" * 2000, DONE))


@pytest.mark.parametrize(
    "reply", [stream(f"data: {DEEP}\n\n".encode(), DONE), text_reply(DEEP, kind="application/json")]
)
def test_nesting_without_end_is_no_answer(reply: Reply) -> None:
    assert "what OpenAI's API does not have" in failure_of(reply)


@pytest.mark.parametrize("body", [DEEP, json.dumps({"error": HUGE}), '{"error":' * 200 + "1" + "}" * 200])
def test_refusals_of_any_form_are_told(body: str) -> None:
    assert "(HTTP 400)" in failure_of(text_reply(body, "400 Bad Request", "application/json"))


def test_escape_sequences_are_not_passed_on() -> None:
    words = "\x1b]0;owned\x07\x1b[2J\u202emodel\x9b31m"
    told = [
        failure_of(json_reply({"error": {"message": words}}, "400 Bad Request")),
        failure_of(text_reply(words, "500 Internal Server Error")),
        failure_of(stream(event({"error": {"message": words}}))),
        failure_of(stream(b"data: \x1b[2J\n\n", DONE)),
    ]
    assert all(sentence.isprintable() for sentence in told), told


def test_models_with_names_that_a_terminal_would_obey_are_not_listed() -> None:
    async def name() -> str:
        models = {"data": [{"id": "\x1b[2Jcoder"}, {"id": "x" * 10_000}, {"id": 7}, {"id": "honest"}]}
        async with (
            raw_server(models=models) as raw,
            open_target(None, raw.url, None, progress=silent_progress()) as client,
        ):
            return client.target.model

    assert asyncio.run(name()) == "honest"


def test_facts_of_a_hostile_server_are_few() -> None:
    async def engine() -> str | None:
        others = {"/props": {"build_info": "\x1b[2J" + "b" * 10_000}, "/version": {"version": [1]}, "/api/tags": "x"}
        async with raw_server(others=others) as raw, Client(Target(raw.url, "coder", "coder")) as client:
            return (await client.facts()).engine

    told = asyncio.run(engine()) or ""
    assert told.isprintable()
    assert len(told) < 300


def test_a_packed_list_of_models_is_unpacked_no_further_than_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.lab.target.client.MAX_BODY_BYTES", 1 << 16)
    bomb = gzip.compress(b" " * (64 << 20))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n")
        writer.write(b"Connection: close\r\n\r\n" + bomb)
        writer.close()

    async def models() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
            async with Client(Target(url, "coder", "coder")) as client:
                await client.models()

    with pytest.raises(TargetFailed, match="no list of models"):
        asyncio.run(models())


@pytest.mark.parametrize(
    "logprobs", [{"top_logprobs": {"a": 1}}, {"top_logprobs": [[1]]}, {"content": ["x"]}, {"content": 7}]
)
def test_log_probabilities_of_another_form_are_told(logprobs: object) -> None:
    reply = stream(event({"choices": [{"text": "A", "logprobs": logprobs, "finish_reason": "stop"}]}), DONE)

    async def ask() -> None:
        async with client_of(reply) as client:
            await client.choices("Hi", ["A"])

    with pytest.raises(TargetFailed):
        asyncio.run(ask())
