"""Other servers that lie: packed bombs, numbers without end, halves of characters, keys told back."""

import asyncio
import gzip
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest

from sevenb.server.upstream import connection
from sevenb.server.upstream.address import UpstreamAddress
from sevenb.server.upstream.connection import Connection
from sevenb.server.upstream.deltas import DeltaReader
from sevenb.server.upstream.problems import refused

ADDRESS = UpstreamAddress("other", "http://other/v1", "sk-very-secret")


def connected(answer: httpx.Response) -> Connection:
    """A connection to a server that gives this answer to everything."""
    made = Connection(ADDRESS)
    made._client = httpx.AsyncClient(transport=httpx.MockTransport(lambda _: answer))
    return made


def read_all(answer: httpx.Response) -> list[object]:
    async def run() -> list[object]:
        return [event async for event in connected(answer).events("/chat/completions", {}, "m")]

    return asyncio.run(run())


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip", "br", "deflate"])
def test_nothing_that_is_packed_is_unpacked(encoding: str) -> None:
    bomb = gzip.compress(gzip.compress(bytes(50 << 20)))
    headers = {"content-type": "text/event-stream", "content-encoding": encoding}

    async def body() -> AsyncIterator[bytes]:
        yield bomb

    with pytest.raises(Exception, match=r"other .*closed the connection"):
        read_all(httpx.Response(200, headers=headers, content=body()))


def test_counts_that_no_database_keeps_are_left_out() -> None:
    reader = DeltaReader()
    reader.take({"choices": [], "usage": {"prompt_tokens": 10**400, "completion_tokens": 10**30, "cached_tokens": 3}})
    assert reader.usage == {"cached_tokens": 3}


def test_halves_of_characters_become_signs_that_can_be_kept() -> None:
    reader = DeltaReader()
    call = {"index": 0, "id": "a\ud800", "function": {"name": "n\ud800", "arguments": "{\ud800"}}
    events = reader.take({"choices": [{"delta": {"content": "a\ud83d", "tool_calls": [call]}}]})
    assert b"a?" in msgspec.json.encode(events)


def test_an_error_tells_neither_the_key_nor_halves_of_characters() -> None:
    told = str(refused(ADDRESS, 400, b'{"error": {"message": "bad: Bearer sk-very-secret \\ud83d"}}'))
    assert "secret" not in told
    assert told.encode()


def test_a_list_that_never_ends_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LIST_SECONDS", 0.1)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    with pytest.raises(Exception, match="too long to answer"):
        asyncio.run(asyncio.wait_for(connected(httpx.Response(200, content=drip())).models(), 60))
