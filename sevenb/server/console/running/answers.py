"""`RunningAnswers`: all answers that are being made, and their way into the workspace."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace

from sevenb.errors import (
    Conflict,
    NotFound,
    SevenbError,
    StorageFull,
    TooManyRequests,
    WorkspaceUnavailable,
)
from sevenb.server.console.route import problem_record
from sevenb.server.console.running.answer import Ending, RunningAnswer
from sevenb.server.console.running.verdict import keeps_to
from sevenb.server.service import Service
from sevenb.workspace import Workspace
from sevenb.workspace.message_rows import MAX_CONTENT, MAX_PARTS
from sevenb.workspace.records import Chat, ChatSummary, Message, Problem

logger = logging.getLogger(__name__)

SAVE_SECONDS = 5.0  # what a server that is killed may lose of an answer
PATIENCE_SECONDS = 60.0  # how long an answer goes on that nobody listens to
CLOSE_SECONDS = 5.0
MAX_RUNNING = 64  # answers of one user


class RunningAnswers:
    """All answers that are being made. One that the database refuses stays here, and is offered to it again."""

    def __init__(
        self,
        service: Service,
        workspace: Workspace,
        *,
        save_seconds: float = SAVE_SECONDS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._service = service
        self._workspace = workspace
        self._save_seconds = save_seconds
        self._patience_seconds = patience_seconds
        self._answers: dict[str, RunningAnswer] = {}  # by id; also those that could not be kept
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._unkept: dict[str, Message] = {}
        self._saved: dict[str, int] = {}  # how much of each has been written
        self._closing = False
        self._beginning: Counter[str] = Counter()  # by user: answers on their way to `start`

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve until the end of the block; then interrupt what still runs."""
        await self._service.in_thread(self._workspace.presence.begin)
        await self._interrupt_left()
        keeper = asyncio.create_task(self._keep_going())
        try:
            yield
        finally:
            keeper.cancel()
            self.interrupt_all()
            if self._tasks:
                await asyncio.wait(self._tasks.values(), timeout=CLOSE_SECONDS)
            await self._retry_unkept()

    # -- for routes ------------------------------------------------------------------------------------

    def start(self, answer: RunningAnswer) -> None:
        """Begin to make an answer. Raises `Conflict` if it is being made, `TooManyRequests` where a user has many."""
        self._answers[answer.id] = answer
        self._tasks[answer.id] = asyncio.create_task(self._make(answer), name=f"answer {answer.id}")

    @contextmanager
    def room(self, user_id: str) -> Iterator[None]:
        """Keep room for an answer that begins. Raises `TooManyRequests` where a user has as many as are allowed."""
        running = Counter(self._answers[id].place.user_id for id in self._tasks)
        if running[user_id] + self._beginning[user_id] >= MAX_RUNNING:
            raise TooManyRequests(f"{MAX_RUNNING} of your answers are being written; wait for one, or stop one.")
        self._beginning[user_id] += 1
        try:
            yield
        finally:
            self._beginning[user_id] -= 1
            self._beginning += Counter()  # which forgets those without any

    def check_free(self, ids: Iterable[str]) -> None:
        """Raise `Conflict` if one of these messages is still being written."""
        if not self._answers.keys().isdisjoint(ids):
            raise Conflict("This answer is still being written; wait for its end, or stop it.")

    def find(self, user_id: str, chat_id: str, message_id: str) -> RunningAnswer | None:
        """An answer of a user's chat, while it is being made."""
        answer = self._answers.get(message_id)
        if answer is None or (answer.place.user_id, answer.place.chat.id) != (user_id, chat_id):
            return None
        return answer

    def up_to_date(self, chat: Chat) -> Chat:
        """A chat with its running answers as they are now."""
        if not any(message.id in self._answers for message in chat.messages):
            return chat
        messages = [self._answers[m.id].message if m.id in self._answers else m for m in chat.messages]
        return replace(chat, messages=messages)

    async def stop(self, answer: RunningAnswer, ending: Ending = "stopped") -> None:
        """End an answer and wait until it is kept."""
        answer.stop(ending)
        if (task := self._tasks.get(answer.id)) is not None:
            await asyncio.wait({task})

    async def stop_in(self, user_id: str, chat_id: str, message_id: str | None = None) -> None:
        """End the answers of a chat, or those at or below one of its messages."""
        await self._stop_all(
            answer
            for answer in self._answers.values()
            if (answer.place.user_id, answer.place.chat.id) == (user_id, chat_id)
            and (message_id is None or message_id == answer.id or message_id in answer.place.above)
        )

    async def stop_of(self, user_id: str) -> None:
        """End all answers of a user."""
        await self._stop_all(answer for answer in self._answers.values() if answer.place.user_id == user_id)

    def interrupt_all(self) -> None:
        """The server goes down: end what runs, now, and begin nothing more."""
        self._closing = True
        for answer in self._answers.values():
            answer.stop("interrupted")

    # -- life of an answer -----------------------------------------------------------------------------

    async def _make(self, answer: RunningAnswer) -> None:
        try:
            if self._closing:
                answer.stop("interrupted")
            message = await answer.run()
            if answer.job.elsewhere and (usage := answer.usage) is not None:
                self._service.count_usage(
                    message.model or "",
                    prompt_tokens=usage.prompt_tokens,
                    cached_tokens=usage.prompt_tokens_details.cached_tokens,
                    completion_tokens=usage.completion_tokens,
                )
            await self._keep(answer, replace(message, valid=await self._verdict(answer, message)))
        finally:
            del self._tasks[answer.id]
            self._saved.pop(answer.id, None)
            if answer.id not in self._unkept:
                del self._answers[answer.id]

    async def _verdict(self, answer: RunningAnswer, message: Message) -> bool | None:
        shape = answer.job.shape
        if shape is None or message.status != "complete" or message.tool_calls:
            return None
        try:
            return await self._service.in_thread(lambda: keeps_to(shape, message.content))
        except Exception:
            logger.exception("An answer could not be compared with its schema")
            return None

    async def _keep(self, answer: RunningAnswer, message: Message) -> None:
        """Write an answer that has ended, and tell its listeners."""
        async with answer.lock:
            try:
                kept, chat = await self._service.in_thread(lambda: self._write(answer, message))
            except NotFound:  # deleted meanwhile
                kept, chat = message, answer.place.chat
            except Exception as error:
                reason = problem_record(error)
                logger.warning("An answer could not be kept: %s", reason.message)
                self._unkept[answer.id] = message
                problem = Problem(f"This answer could not be kept. {reason.message}", "not_kept")
                kept, chat = replace(message, status="failed", error=problem), answer.place.chat
        answer.end(kept, chat)

    def _write(self, answer: RunningAnswer, message: Message) -> tuple[Message, ChatSummary]:
        chats, user_id = self._workspace.chats, answer.place.user_id
        kept = chats.update_message(
            user_id,
            message.id,
            content=message.content[:MAX_CONTENT],
            tool_calls=message.tool_calls[:MAX_PARTS],
            model=message.model,
            status=message.status,
            finish_reason=message.finish_reason,
            error=message.error,
            figures=message.figures,
            valid=message.valid,
        )
        return kept, chats.summary(user_id, answer.place.chat.id)

    # -- housekeeping ----------------------------------------------------------------------------------

    async def _keep_going(self) -> None:
        """Every few seconds: write what has come, end what nobody listens to, offer again what was refused."""
        while True:
            await asyncio.sleep(self._save_seconds)
            try:
                await self._keep_up()
            except Exception:  # whatever it is: other answers still have to be kept, and this goes on
                logger.exception("Answers could not be looked after")

    async def _keep_up(self) -> None:
        for answer in [self._answers[id] for id in list(self._tasks)]:
            since = answer.unheard_since
            if since is not None and time.monotonic() - since > self._patience_seconds:
                answer.stop("interrupted")
            else:
                await self._save(answer)
        await self._retry_unkept()
        with suppress(SevenbError):  # the database is away; it will be asked again
            await self._interrupt_left()

    async def _interrupt_left(self) -> None:
        """What servers that are gone left running, this one's predecessor or others on the same database."""
        if count := await self._service.in_thread(self._workspace.chats.interrupt_running):
            logger.info("%d answers were cut off when their server went down", count)

    async def _save(self, answer: RunningAnswer) -> None:
        size = answer.size
        if self._saved.get(answer.id, 0) == size:
            return
        async with answer.lock:
            if answer.id not in self._tasks:
                return
            message = answer.message
            if message.status != "running":
                return
            with suppress(SevenbError):  # its end will tell
                await self._service.in_thread(
                    lambda: self._workspace.chats.update_message(
                        answer.place.user_id,
                        message.id,
                        content=message.content[:MAX_CONTENT],
                        tool_calls=message.tool_calls[:MAX_PARTS],
                        status="running",
                    )
                )
                self._saved[answer.id] = size

    async def _retry_unkept(self) -> None:
        for id, message in list(self._unkept.items()):
            answer = self._answers[id]
            try:
                await self._service.in_thread(lambda: self._write(answer, message))  # noqa: B023 (awaited here)
            except (StorageFull, WorkspaceUnavailable):
                continue
            except NotFound:
                pass  # deleted meanwhile
            except Exception as error:  # no second try would end otherwise
                logger.error("An answer could not be kept: %s", problem_record(error).message)
            del self._unkept[id], self._answers[id]

    async def _stop_all(self, answers: Iterable[RunningAnswer]) -> None:
        stopping = list(answers)
        for answer in stopping:
            answer.stop("stopped")
        tasks = {self._tasks[answer.id] for answer in stopping if answer.id in self._tasks}
        if tasks:
            await asyncio.wait(tasks)
