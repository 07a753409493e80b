"""`RunningAnswer`: one answer as it grows, whoever listens to it."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal, assert_never

from sevenb.errors import EngineNotReady, TooManyRequests
from sevenb.server.bodies import Usage
from sevenb.server.chat import AnswerEnded, ArgumentsPiece, CallEnded, CallStarted, ChatEvent, TextPiece
from sevenb.server.console.route import problem_record
from sevenb.server.console.running.log import EventLog, encode
from sevenb.server.console.running.source import AnswerSource, AnswerStream, Asked
from sevenb.server.fleet.holds import holding
from sevenb.structured.output_format import OutputFormat
from sevenb.workspace.message_rows import MAX_CONTENT
from sevenb.workspace.records import ChatSummary, Figures, FinishReason, Message, MessageStatus, Problem, ToolCall

Ending = Literal["stopped", "interrupted"]
State = Literal["loading", "queued", "prefill"]

MAX_LISTENERS = 100  # to one answer; each is woken for each token


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is to be answered, by which model.

    ``find`` waits until the model is loaded; ``loaded`` says that it need not. ``shape`` is what the finished answer is
    measured by: that of ``asked``, except where an answer is gone on with. ``elsewhere``: another server makes it, so
    that nobody counts its tokens here.
    """

    asked: Asked
    loaded: bool
    find: Callable[[], Awaitable[AnswerSource]]
    shape: OutputFormat | None = None
    elsewhere: bool = False


@dataclass(frozen=True)
class Place:
    """Where an answer belongs. ``above`` are the ids of the messages that it follows."""

    user_id: str
    chat: ChatSummary
    above: frozenset[str]


class RunningAnswer:
    """One answer as it grows. `run` makes it; `follow` tells of it, to any number of listeners."""

    def __init__(self, message: Message, place: Place, job: Job) -> None:
        self.place = place
        self.lock = asyncio.Lock()  # held by whoever writes the message to the workspace
        self.unheard_since: float | None = time.monotonic()  # None while somebody listens
        self._listeners = 0
        self._begun = message  # as it was when this run began
        self.job = job
        self._log = EventLog()
        self._text: list[str] = []
        self._length = 0  # characters of text and arguments
        self._calls: list[tuple[str, str, list[str]]] = []  # id, name, arguments in pieces
        self._state: State | None = None
        self._finish_reason: FinishReason | None = None
        self._work: asyncio.Task[None] | None = None
        self._ending: Ending | None = None
        self._stream: AnswerStream | None = None
        self._opened = self._first = self._newest = 0.0  # monotonic times, of the request and of its tokens
        self._end: tuple[Message, ChatSummary] | None = None

    # -- for those who look ----------------------------------------------------------------------------

    @property
    def id(self) -> str:
        """Of the message."""
        return self._begun.id

    @property
    def size(self) -> int:
        """Grows whenever the answer does."""
        return self._log.last

    @property
    def usage(self) -> Usage | None:
        """Tokens of this run, if it came to the model."""
        return None if self._stream is None else self._stream.usage

    @property
    def message(self) -> Message:
        """The message as it is now."""
        if self._end is not None:
            return self._end[0]
        return replace(
            self._begun,
            content=self._begun.content + "".join(self._text),
            tool_calls=[
                *self._begun.tool_calls,
                *(ToolCall(id, name, "".join(arguments)) for id, name, arguments in self._calls),
            ],
        )

    async def follow(self, after: int | None) -> AsyncGenerator[bytes, None]:
        """The events behind number ``after``, to the end; a snapshot instead where they are not known any more.

        Raises `TooManyRequests` where `MAX_LISTENERS` listen already.
        """
        if self._listeners >= MAX_LISTENERS:
            raise TooManyRequests("This answer is open in too many windows; close some of them.")
        with self._heard():
            seen, log = after, self._log
            while True:
                if seen is None or not log.knows(seen):
                    seen = log.last
                    yield self._snapshot(seen)
                elif seen < log.last:
                    events, seen = log.since(seen), log.last
                    yield events
                elif log.closed:
                    break
                else:
                    await log.wait(seen)
            assert self._end is not None
            yield done_event(seen + 1, *self._end)

    @contextmanager
    def _heard(self) -> Iterator[None]:
        self._listeners += 1
        self.unheard_since = None
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                self.unheard_since = time.monotonic()

    def _snapshot(self, number: int) -> bytes:
        snapshot = encode(number, {"type": "snapshot", "message": self.message})
        if self._state is None:
            return snapshot
        return snapshot + encode(number, {"type": "status", "state": self._state})

    # -- life ------------------------------------------------------------------------------------------

    def stop(self, ending: Ending) -> None:
        """End the answer now; its sequence is freed at once. One that has ended by itself stays what it is."""
        if self._ending is None:
            self._ending = ending
        if self._work is not None:
            self._work.cancel()

    async def run(self) -> Message:
        """Make the answer. Returns what is to be kept; never raises."""
        self._work = asyncio.ensure_future(self._make())
        if self._ending is not None:
            self._work.cancel()
        await asyncio.wait({self._work})
        status: MessageStatus = "complete"
        problem: Problem | None = None
        if self._work.cancelled():
            status = self._ending or "interrupted"
        elif (error := self._work.exception()) is not None:
            if self._ending is not None and isinstance(error, EngineNotReady):
                status = self._ending  # it waited for a model while the server went down
            else:
                status, problem = "failed", problem_record(error)
        return replace(
            self.message,
            status=status,
            error=problem,
            finish_reason=self._finish_reason if status == "complete" else "abort",
            figures=self._figures(),
            valid=None,
        )

    def end(self, message: Message, chat: ChatSummary) -> None:
        """Tell those who listen how it ended."""
        self._end = (message, chat)
        self._log.close()

    async def _make(self) -> None:
        with holding():
            if not self.job.loaded:
                self._tell_state("loading")
            source = await self.job.find()
            self._tell_state("queued" if source.busy else "prefill")
            self._opened = time.monotonic()
            self._stream = await source.open(self.job.asked)
            async with aclosing(self._stream.events()) as steps:
                async for events in steps:
                    self._newest = time.monotonic()
                    self._first = self._first or self._newest
                    self._take(events)
                    if self._length > MAX_CONTENT:  # another server that does not come to an end
                        self._finish_reason = "length"
                        break

    # -- what comes ------------------------------------------------------------------------------------

    def _tell_state(self, state: State) -> None:
        self._state = state
        self._log.append({"type": "status", "state": state})

    def _take(self, events: Sequence[ChatEvent]) -> None:
        self._state = None
        texts: list[str] = []
        for event in events:
            match event:
                case TextPiece(text=text):
                    texts.append(text)
                    continue
                case CallEnded():
                    continue
                case _:
                    self._tell_text(texts)
            match event:
                case CallStarted(call=index, id=id, name=name):
                    self._calls.append((id, name, []))
                    self._tell({"type": "call", "index": self._number(index), "id": id, "name": name})
                case ArgumentsPiece(call=index, text=text):
                    self._calls[index][2].append(text)
                    self._length += len(text)
                    self._tell({"type": "arguments", "index": self._number(index), "text": text})
                case AnswerEnded(finish_reason=reason):
                    self._finish_reason = reason
                case _:
                    assert_never(event)
        self._tell_text(texts)

    def _tell_text(self, texts: list[str]) -> None:
        # PostgreSQL keeps no NUL in a text.
        if text := "".join(texts).replace("\0", "\ufffd"):
            self._text.append(text)
            self._length += len(text)
            self._tell({"type": "text", "text": text})
        texts.clear()

    def _tell(self, event: dict[str, Any]) -> None:
        self._log.append(event)

    def _number(self, index: int) -> int:
        return len(self._begun.tool_calls) + index

    def _figures(self) -> Figures | None:
        if self._stream is None or not self._first:
            return self._begun.figures
        usage, timings = self._stream.usage, self._stream.timings
        seconds = self._newest - self._first
        tokens = usage.completion_tokens
        if timings is not None and timings.decode > seconds:  # it came in one piece, after a look at the whole
            seconds = timings.decode
        before = self._begun.figures.completion_tokens if self._begun.figures is not None else 0
        return Figures(
            prompt_tokens=usage.prompt_tokens,
            cached_tokens=usage.prompt_tokens_details.cached_tokens,
            completion_tokens=before + tokens,
            ttft=self._first - self._opened,
            tokens_per_second=(tokens - 1) / seconds if tokens > 1 and seconds > 0 else None,
            truncated_tokens=usage.prompt_tokens_details.truncated_tokens or 0,
        )


def done_event(number: int, message: Message, chat: ChatSummary) -> bytes:
    """The last event of an answer."""
    return encode(number, {"type": "done", "message": message, "chat": chat})
