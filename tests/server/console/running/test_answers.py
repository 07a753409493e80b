"""All running answers: written while they grow, ended when nobody listens, kept when the database can again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from sevenb.errors import Conflict, StorageFull, TooManyRequests
from sevenb.server.chat import AnswerEnded, TextPiece
from sevenb.server.console.running import answers as module
from sevenb.server.console.running.answer import Job, Place, RunningAnswer
from sevenb.server.console.running.answers import RunningAnswers
from sevenb.server.console.running.source import AnswerSource, Asked
from sevenb.server.service import Service
from sevenb.workspace import Message, NewMessage, User, Workspace
from tests.server.console.running.test_answer import ScriptedSource

TEXT = [TextPiece(0, "some "), TextPiece(0, "text")]


class Threads:
    """As much of a service as answers use."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, dict[str, int]]] = []

    def count_usage(self, model: str, **tokens: int) -> None:
        self.counted.append((model, tokens))

    async def in_thread(self, function: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(function)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.open(f"sqlite:///{tmp_path}/workspace.db")


@asynccontextmanager
async def running(workspace: Workspace, *, patience: float = 100.0) -> AsyncIterator[RunningAnswers]:
    answers = RunningAnswers(cast(Service, Threads()), workspace, save_seconds=0.01, patience_seconds=patience)
    async with answers.running():
        yield answers


def new_answer(workspace: Workspace, user: User, source: ScriptedSource) -> RunningAnswer:
    async def find() -> AnswerSource:
        return source

    chat = workspace.chats.create(user.id)
    asked = NewMessage(role="user", content="?")
    empty = NewMessage(role="assistant", status="running", model="m")
    question, message = workspace.chats.add_messages(user.id, chat.id, [asked, empty])
    place = Place(user.id, workspace.chats.summary(user.id, chat.id), frozenset([question.id]))
    return RunningAnswer(message, place, Job(asked=Asked(messages=(), sampling={}), loaded=True, find=find))


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.005)


def stored(workspace: Workspace, answer: RunningAnswer) -> Message:
    return workspace.chats.get_message(answer.place.user_id, answer.id)


def test_what_has_come_is_written_while_the_answer_runs(workspace: Workspace) -> None:
    async def run() -> None:
        async with running(workspace) as answers:
            answer = new_answer(workspace, workspace.users.local(), ScriptedSource(TEXT, None))
            answers.start(answer)
            await until(lambda: stored(workspace, answer).content == "some text")
            assert stored(workspace, answer).status == "running"
        assert stored(workspace, answer).status == "interrupted"  # the server went down

    asyncio.run(run())


def test_an_answer_that_nobody_listens_to_is_interrupted(workspace: Workspace) -> None:
    async def run() -> None:
        async with running(workspace, patience=0.05) as answers:
            user = workspace.users.local()
            alone, heard = (new_answer(workspace, user, ScriptedSource(TEXT, None)) for _ in range(2))
            listener = heard.follow(None)
            await anext(listener)
            for answer in (alone, heard):
                answers.start(answer)
            await until(lambda: stored(workspace, alone).status == "interrupted")
            assert stored(workspace, alone).content == "some text"
            assert stored(workspace, heard).status == "running"
            await listener.aclose()
            await until(lambda: stored(workspace, heard).status == "interrupted")

    asyncio.run(run())


def test_nothing_is_lost_where_the_disk_is_full(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        real, full = workspace.chats.update_message, True

        def update_message(*given: Any, **changes: Any) -> Message:
            if full:
                raise StorageFull("The disk is full.")
            return real(*given, **changes)

        monkeypatch.setattr(workspace.chats, "update_message", update_message)
        async with running(workspace) as answers:
            answer = new_answer(workspace, workspace.users.local(), ScriptedSource(TEXT, [AnswerEnded(0, "stop")]))
            answers.start(answer)
            heard = b"".join([event async for event in answer.follow(0)]).decode()
            assert "not_kept" in heard
            assert "The disk is full." in heard
            chat = workspace.chats.get(answer.place.user_id, answer.place.chat.id)
            shown = answers.up_to_date(chat).messages[-1]
            assert (shown.content, shown.status) == ("some text", "failed")
            full = False
            await until(lambda: stored(workspace, answer).status == "complete")
            assert stored(workspace, answer).content == "some text"
            await until(lambda: answers.find(answer.place.user_id, chat.id, answer.id) is None)

    asyncio.run(run())


def test_what_was_refused_is_offered_again_when_the_server_ends(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        real = workspace.chats.update_message
        refusals = iter([StorageFull("The disk is full.")])

        def update_message(*given: Any, **changes: Any) -> Message:
            for refusal in refusals:
                raise refusal
            return real(*given, **changes)

        monkeypatch.setattr(workspace.chats, "update_message", update_message)
        monkeypatch.setattr(module, "SAVE_SECONDS", 1000.0)
        answers = RunningAnswers(cast(Service, Threads()), workspace, save_seconds=1000.0)
        async with answers.running():
            answer = new_answer(workspace, workspace.users.local(), ScriptedSource(TEXT, [AnswerEnded(0, "stop")]))
            answers.start(answer)
            assert b"not_kept" in b"".join([event async for event in answer.follow(0)])
        assert (stored(workspace, answer).status, stored(workspace, answer).content) == ("complete", "some text")

    asyncio.run(run())


def test_an_answer_whose_chat_is_erased_ends_quietly(workspace: Workspace) -> None:
    async def run() -> None:
        async with running(workspace) as answers:
            source = ScriptedSource(TEXT, None)
            answer = new_answer(workspace, workspace.users.local(), source)
            answers.start(answer)
            await source.passed.wait()
            workspace.chats.delete(answer.place.user_id, answer.place.chat.id)
            workspace.chats.purge(-1)
            await answers.stop(answer)
            assert answers.find(answer.place.user_id, answer.place.chat.id, answer.id) is None
            assert b'"done"' in b"".join([event async for event in answer.follow(None)])

    asyncio.run(run())


def test_one_user_has_so_many_answers_and_others_are_not_kept_from_theirs(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_RUNNING", 2)

    async def run() -> None:
        async with running(workspace) as answers:
            user = workspace.users.local()
            begun = [new_answer(workspace, user, ScriptedSource(TEXT, None)) for _ in range(2)]
            for answer in begun:
                with answers.room(user.id):
                    answers.start(answer)
            with pytest.raises(TooManyRequests), answers.room(user.id):
                pass
            other = "somebody else"
            with answers.room(other), answers.room(other), pytest.raises(TooManyRequests), answers.room(other):
                pass  # two begin at once
            with answers.room("somebody else"):
                pass
            with pytest.raises(Conflict):
                answers.check_free([begun[0].id])
            await answers.stop_of(user.id)
            assert {stored(workspace, answer).status for answer in begun} == {"stopped"}
            with answers.room(user.id):
                pass

    asyncio.run(run())


def test_tokens_of_another_server_are_counted_here(workspace: Workspace) -> None:
    async def run() -> None:
        threads = Threads()
        answers = RunningAnswers(cast(Service, threads), workspace)
        async with answers.running():
            for elsewhere in (False, True):
                answer = new_answer(workspace, workspace.users.local(), ScriptedSource(TEXT, [AnswerEnded(0, "stop")]))
                answer.job = replace(answer.job, elsewhere=elsewhere)
                answers.start(answer)
                assert [event async for event in answer.follow(None)]
        assert threads.counted == [("m", {"prompt_tokens": 5, "cached_tokens": 1, "completion_tokens": 3})]

    asyncio.run(run())


def test_what_a_killed_server_left_is_interrupted_at_the_start(workspace: Workspace) -> None:
    async def run() -> None:
        answer = new_answer(workspace, workspace.users.local(), ScriptedSource())
        async with running(workspace):
            assert stored(workspace, answer).status == "interrupted"

    asyncio.run(run())
