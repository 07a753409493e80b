"""How tokens are counted: in batches, whatever becomes of the database."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sevenb.errors import WorkspaceUnavailable
from sevenb.server import usage
from sevenb.server.access.principal import Principal
from sevenb.server.usage import UsageMeter
from sevenb.workspace import Use, User

ANNA = Principal(User("a", "anna", "user", 0.0), "key")


async def in_thread(work: Callable[[], Any]) -> Any:
    return work()


class Database:
    """Keeps batches, unless it fails."""

    def __init__(self) -> None:
        self.batches: list[list[Use]] = []
        self.fails = False

    def write(self, batch: Sequence[Use]) -> None:
        if self.fails:
            raise WorkspaceUnavailable("The database is locked.")
        self.batches.append(list(batch))


def test_requests_are_written_in_batches_for_whoever_sent_them() -> None:
    async def scenario() -> list[list[Use]]:
        database = Database()
        meter = UsageMeter(database.write, in_thread)
        meter.count(ANNA, "small", 10, 4, 3)
        meter.count(Principal(), "small", 20, 0, 5)
        await meter.flush()
        await meter.flush()
        return database.batches

    ((first, second),) = asyncio.run(scenario())
    assert (first.user_id, first.key_id, first.model) == ("a", "key", "small")
    assert (first.prompt_tokens, first.cached_tokens, first.completion_tokens) == (10, 4, 3)
    assert (second.user_id, second.key_id) == (None, None)


def test_nothing_is_lost_or_counted_twice_while_the_database_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> list[list[Use]]:
        database = Database()
        meter = UsageMeter(database.write, in_thread)
        database.fails = True
        for number in range(3):
            meter.count(ANNA, f"model {number}", 1, 0, 1)
            await meter.flush()
        database.fails = False
        meter.count(ANNA, "model 3", 1, 0, 1)
        await meter.flush()
        return database.batches

    (batch,) = asyncio.run(scenario())
    assert [use.model for use in batch] == [f"model {number}" for number in range(4)]
    assert len([record for record in caplog.records if "locked" in record.message]) == 1  # told once


def test_a_database_that_never_answers_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usage, "MAX_PENDING", 10)

    async def scenario() -> list[list[Use]]:
        database = Database()
        meter = UsageMeter(database.write, in_thread)
        for number in range(100):
            meter.count(ANNA, f"model {number}", 1, 0, 1)
        await meter.flush()
        return database.batches

    (batch,) = asyncio.run(scenario())
    assert [use.model for use in batch] == [f"model {number}" for number in range(90, 100)]


def test_what_is_pending_is_written_when_the_server_stops() -> None:
    async def scenario() -> list[list[Use]]:
        database = Database()
        meter = UsageMeter(database.write, in_thread)
        async with meter.running():
            meter.count(ANNA, "small", 1, 0, 1)
        return database.batches

    assert len(asyncio.run(scenario())) == 1
