"""Answers that end early: stopped, deleted, left by their engine or their server."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.server.conftest import RunningServer, running_server
from tests.server.console.client import LONG, Console, freed, until_text


@pytest.fixture(scope="module")
def slow() -> Iterator[Console]:
    """A model that needs half a minute for `LONG`."""
    with running_server("--workspace", step_seconds=0.01) as server:
        yield Console(server)


# -- ends that come early ----------------------------------------------------------------------------


def test_stop_frees_the_sequence_and_keeps_the_text(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, LONG)
    with slow.events(chat, answer) as events:
        next(event for event in events if event["type"] == "text")
        stopped = slow.stop(chat, answer)
        *_, done = events
    assert stopped == done["message"] == slow.message(chat, answer)
    assert (stopped["status"], LONG.startswith(stopped["content"]), bool(stopped["content"])) == ("stopped", True, True)
    assert slow.stop(chat, answer) == stopped
    freed(slow)


def test_stop_that_races_with_the_end_leaves_one_of_both(slow: Console) -> None:
    chat = slow.new_chat()
    for length in range(1, 12):
        text = "x" * length
        answer = slow.begin(chat, text)
        slow.server.until(lambda: bool(slow.message(chat, answer)["content"]))  # noqa: B023 (called here)
        ended = slow.stop(chat, answer)
        assert ended["status"] in ("complete", "stopped")
        assert (ended["content"] == text) or ended["status"] == "stopped"
        assert slow.message(chat, answer) == ended


def test_deleting_a_chat_ends_its_answer_and_taking_that_back_brings_the_text(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, LONG)
    until_text(slow, chat, answer)
    slow.ok("DELETE", f"/chats/{chat}")
    freed(slow)
    assert slow.error("GET", f"/chats/{chat}")["status"] == 404
    assert slow.error("GET", f"/chats/{chat}/answers/{answer}/events")["status"] == 404
    slow.ok("POST", f"/chats/{chat}/restore")
    kept = slow.message(chat, answer)
    assert kept["status"] == "stopped"
    assert LONG.startswith(kept["content"])


def test_deleting_a_question_ends_and_deletes_its_answer(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, LONG)
    question = slow.message(chat, answer)["parent_id"]
    with slow.events(chat, answer) as events:
        slow.ok("DELETE", f"/chats/{chat}/messages/{question}")
        *_, last = events
    assert last["type"] == "done"
    assert slow.chat(chat)["messages"] == []
    freed(slow)


def test_an_engine_that_dies_leaves_the_text_and_the_reason(start_server: Callable[..., RunningServer]) -> None:
    server = start_server("--workspace", step_seconds=0.01)
    console = Console(server)
    chat = console.new_chat()
    answer = console.begin(chat, LONG)
    until_text(console, chat, answer)
    os.kill(server.engine_pid, signal.SIGKILL)
    failed = console.end(chat, answer)
    assert (failed["status"], failed["error"]["code"], bool(failed["content"])) == ("failed", "engine_died", True)
    server.until_ready()
    again = console.answer(chat, None, failed["parent_id"], settings={"max_tokens": 5})
    assert again["content"] == LONG[:5]


def test_a_server_that_shuts_down_keeps_the_text_and_does_not_wait_for_it(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/workspace.db"
    server = start_server("--database", database, step_seconds=0.05, max_model_len=100_000)
    console = Console(server)
    chat = console.new_chat()
    answer = console.begin(chat, LONG * 10)  # for a quarter of an hour
    until_text(console, chat, answer)
    with console.events(chat, answer) as events:
        next(events)
        server.process.send_signal(signal.SIGTERM)
        *_, done = events
    assert (done["type"], done["message"]["status"]) == ("done", "interrupted")
    server.process.wait(timeout=60)
    after = Console(start_server("--database", database))
    assert after.message(chat, answer) == done["message"]
    assert done["message"]["content"]


def test_a_server_that_is_killed_leaves_an_interrupted_answer(
    start_server: Callable[..., RunningServer], tmp_path: Path
) -> None:
    database = f"sqlite:///{tmp_path}/workspace.db"
    server = start_server("--database", database, step_seconds=0.05, max_model_len=100_000)
    console = Console(server)
    chat = console.new_chat()
    answer = console.begin(chat, LONG * 10)
    until_text(console, chat, answer)
    server.process.kill()
    server.process.wait()
    os.kill(server.engine_pid, signal.SIGKILL)
    after = Console(start_server("--database", database, max_model_len=100_000))
    assert after.message(chat, answer)["status"] == "interrupted"
    assert after.answer(chat, None, after.message(chat, answer)["parent_id"], settings={"max_tokens": 3})["content"]
