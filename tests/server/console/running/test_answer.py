"""One running answer: what it tells its listeners, whenever they come, and how it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from sevenb.errors import EngineDied, EngineNotReady
from sevenb.server.bodies import PromptTokensDetails, TimingsBody, Usage
from sevenb.server.chat import AnswerEnded, ArgumentsPiece, CallEnded, CallStarted, ChatEvent, TextPiece
from sevenb.server.console.running import log
from sevenb.server.console.running.answer import Job, Place, RunningAnswer
from sevenb.server.console.running.source import AnswerSource, AnswerStream, Asked
from sevenb.workspace.records import ChatSummary, Message

CHAT = ChatSummary("chat", "Title", False, "model", False, None, 0.0, 0.0)
END = AnswerEnded(0, "stop")

Step = Sequence[ChatEvent] | Exception | None  # None: waits until it is closed


class ScriptedSource:
    """Answers with steps that are known before; also the stream of the answer itself."""

    name = "scripted"
    max_model_len = 100
    busy = False
    timings: TimingsBody | None = None

    def __init__(self, *steps: Step) -> None:
        self.steps = steps
        self.closed = False
        self.passed = asyncio.Event()  # the last step is being waited for

    @property
    def usage(self) -> Usage:
        details = PromptTokensDetails(cached_tokens=1)
        return Usage(prompt_tokens=5, completion_tokens=3, total_tokens=8, prompt_tokens_details=details)

    async def open(self, asked: Asked) -> AnswerStream:
        return self

    async def count(self, asked: Asked) -> int | None:
        return 5

    async def events(self) -> AsyncGenerator[list[ChatEvent], None]:
        try:
            for step in self.steps:
                if isinstance(step, Exception):
                    raise step
                if step is None:
                    self.passed.set()
                    await asyncio.Event().wait()
                else:
                    yield list(step)
                    await asyncio.sleep(0)
        finally:
            self.closed = True


def begin(
    source: AnswerSource, content: str = "", find: Callable[[], Awaitable[AnswerSource]] | None = None
) -> RunningAnswer:
    async def found() -> AnswerSource:
        return source

    message = Message("id", "parent", "assistant", content, (), (), None, "m", "running", None, None, None, None, 0.0)
    job = Job(asked=Asked(messages=(), sampling={}), loaded=True, find=find or found)
    return RunningAnswer(message, Place("user", CHAT, frozenset()), job)


async def listen(answer: RunningAnswer, after: int | None = None) -> list[dict[str, Any]]:
    """Everything that a listener hears, with the numbers as `id`."""
    text = b"".join([part async for part in answer.follow(after)]).decode()
    events = []
    for block in text.strip().split("\n\n"):
        number, data = block.split("\n")
        events.append({"number": int(number.removeprefix("id: ")), **json.loads(data.removeprefix("data: "))})
    return events


async def finish(answer: RunningAnswer) -> Message:
    message = await answer.run()
    answer.end(message, CHAT)
    return message


def shown(events: Sequence[dict[str, Any]]) -> str:
    """The text as a page that follows the events has it in the end, before `done` tells it."""
    text = ""
    for event in events:
        if event["type"] == "snapshot":
            text = event["message"]["content"]
        elif event["type"] == "text":
            text += event["text"]
    return text


def test_a_listener_hears_the_text_as_it_comes_and_the_end() -> None:
    async def run() -> None:
        answer = begin(ScriptedSource([TextPiece(0, "Hel")], [TextPiece(0, "lo"), END]))
        heard, message = await asyncio.gather(listen(answer, 0), finish(answer))
        assert [event["type"] for event in heard] == ["status", "text", "text", "done"]
        assert [event["number"] for event in heard] == [1, 2, 3, 4]
        assert shown(heard) == heard[-1]["message"]["content"] == message.content == "Hello"
        assert (message.status, message.finish_reason) == ("complete", "stop")
        assert message.figures is not None
        assert (message.figures.prompt_tokens, message.figures.completion_tokens) == (5, 3)

    asyncio.run(run())


@pytest.mark.parametrize("after", [None, 0, 1, 2, 3, 4, 99, 10**8])
def test_whoever_comes_back_has_the_whole_text_whatever_it_heard_last(after: int | None) -> None:
    async def run() -> None:
        source = ScriptedSource([TextPiece(0, "a")], [TextPiece(0, "b")], [TextPiece(0, "c"), END])
        answer = begin(source)
        first, _ = await asyncio.gather(listen(answer, 0), finish(answer))
        before = [event for event in first if event["number"] <= (after or 0) and event["type"] != "done"]
        again = await listen(answer, after)
        assert shown([*before, *again]) == "abc"
        assert again[-1]["type"] == "done"

    asyncio.run(run())


def test_a_listener_that_is_far_behind_gets_a_snapshot_and_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "KEPT_EVENTS", 4)

    async def run() -> None:
        answer = begin(ScriptedSource(*([TextPiece(0, str(i % 10))] for i in range(50)), [END]))
        slow = answer.follow(0)
        await asyncio.gather(finish(answer), anext(slow))  # it hears the first event, and then nothing for a long time
        rest = [
            json.loads(line[6:])
            for part in [p async for p in slow]
            for line in part.decode().split("\n")
            if line[:6] == "data: "
        ]
        assert [event["type"] for event in rest] == ["snapshot", "done"]
        assert rest[0]["message"]["content"] == "0123456789" * 5

    asyncio.run(run())


def test_calls_and_their_arguments_are_told_and_kept() -> None:
    async def run() -> None:
        call = [
            CallStarted(0, 0, "call_1", "look"),
            ArgumentsPiece(0, 0, '{"at"'),
            ArgumentsPiece(0, 0, ": 1}"),
            CallEnded(0, 0),
        ]
        answer = begin(ScriptedSource([TextPiece(0, "so "), *call], [AnswerEnded(0, "tool_calls")]))
        heard, message = await asyncio.gather(listen(answer, 0), finish(answer))
        assert [event["type"] for event in heard[1:]] == ["text", "call", "arguments", "arguments", "done"]
        assert [(one.id, one.name, one.arguments) for one in message.tool_calls] == [("call_1", "look", '{"at": 1}')]
        assert message.finish_reason == "tool_calls"

    asyncio.run(run())


def test_stopping_closes_the_stream_and_keeps_the_text() -> None:
    async def run() -> None:
        source = ScriptedSource([TextPiece(0, "half")], None)
        answer = begin(source)
        running = asyncio.create_task(finish(answer))
        await source.passed.wait()
        answer.stop("stopped")
        answer.stop("interrupted")  # came second
        message = await running
        assert source.closed
        assert (message.content, message.status, message.finish_reason) == ("half", "stopped", "abort")
        assert (await listen(answer))[-1]["message"]["status"] == "stopped"

    asyncio.run(run())


def test_stopping_before_it_began_or_after_its_end_does_no_harm() -> None:
    async def run() -> None:
        early = begin(ScriptedSource(None))
        early.stop("stopped")
        assert (await finish(early)).status == "stopped"
        late = begin(ScriptedSource([TextPiece(0, "x"), END]))
        assert (await finish(late)).status == "complete"
        late.stop("stopped")
        assert late.message.status == "complete"

    asyncio.run(run())


def test_a_failure_in_the_middle_keeps_the_text_and_says_why() -> None:
    async def run() -> None:
        answer = begin(ScriptedSource([TextPiece(0, "half")], EngineDied("The engine died.")))
        heard, message = await asyncio.gather(listen(answer, 0), finish(answer))
        assert (message.content, message.status) == ("half", "failed")
        assert heard[-1]["message"]["error"] == {"message": "The engine died.", "code": "engine_died", "param": None}

    asyncio.run(run())


def test_waiting_for_a_model_is_told_and_ends_with_the_server() -> None:
    async def run() -> None:
        waiting, going = asyncio.Event(), asyncio.Event()

        async def find() -> AnswerSource:
            waiting.set()
            await going.wait()
            raise EngineNotReady("The server is shutting down.")

        answer = begin(ScriptedSource(), find=find)
        answer.job = Job(asked=answer.job.asked, loaded=False, find=find)
        running = asyncio.create_task(finish(answer))
        await waiting.wait()
        follower = answer.follow(None)
        assert b'"state":"loading"' in await anext(follower)
        await follower.aclose()
        answer.stop("interrupted")
        assert (await running).status == "interrupted"

    asyncio.run(run())


def test_an_answer_that_goes_on_keeps_what_it_had() -> None:
    async def run() -> None:
        answer = begin(ScriptedSource([TextPiece(0, " world"), END]), content="Hello")
        assert (await finish(answer)).content == "Hello world"

    asyncio.run(run())


def test_a_nul_in_the_text_becomes_a_sign_that_every_database_keeps() -> None:
    async def run() -> None:
        answer = begin(ScriptedSource([TextPiece(0, "a\0b"), END]))
        heard, message = await asyncio.gather(listen(answer, 0), finish(answer))
        assert shown(heard) == message.content == "a\ufffdb"

    asyncio.run(run())


def test_it_knows_since_when_nobody_listens() -> None:
    async def run() -> None:
        source = ScriptedSource([TextPiece(0, "x")], None)
        answer = begin(source)
        running = asyncio.create_task(finish(answer))
        assert answer.unheard_since is not None
        one, two = answer.follow(None), answer.follow(None)
        await anext(one)
        await anext(two)
        assert answer.unheard_since is None
        await one.aclose()
        assert answer.unheard_since is None
        await two.aclose()
        assert answer.unheard_since is not None
        answer.stop("stopped")
        await running

    asyncio.run(run())
