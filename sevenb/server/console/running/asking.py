"""`Asking`: from what the page sends to an answer that runs, or to the length of the prompt that it would have."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.server.console.running.answer import Job, Place, RunningAnswer
from sevenb.server.console.running.answers import RunningAnswers
from sevenb.server.console.running.prompt import branch, prompt_messages
from sevenb.server.console.running.settings import AnswerSettings
from sevenb.server.console.running.source import Asked
from sevenb.server.console.running.sources import Sources
from sevenb.server.console.running.title import title_of
from sevenb.server.service import Service
from sevenb.workspace import Workspace
from sevenb.workspace.chats import ChatChanges
from sevenb.workspace.records import Chat, ChatSummary, Message, NewMessage

COUNTS_AT_ONCE = 2  # prompts that are only counted; long ones take a thread for seconds


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a page asks: new ``messages`` behind ``parent_id``, or an answer to that. ``settings`` go above the chat's.

    ``client`` is the name under which the engine shares its time.
    """

    user_id: str
    chat_id: str
    parent_id: str | None = None
    messages: Sequence[NewMessage] = ()
    model: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    client: str = ""


@dataclass(frozen=True)
class ContextUse:
    """What a prompt takes of a context; None where nobody can tell."""

    prompt_tokens: int | None
    context_length: int | None


@dataclass(frozen=True)
class AnswerStarted:
    """The new messages as they were kept, then the answer, which is running; and the line of their chat."""

    messages: Sequence[Message]
    chat: ChatSummary


class Asking:
    """Begins answers and measures prompts."""

    def __init__(self, service: Service, workspace: Workspace, sources: Sources, answers: RunningAnswers) -> None:
        self._service = service
        self._workspace = workspace
        self._sources = sources
        self._answers = answers
        self._counting = asyncio.Semaphore(COUNTS_AT_ONCE)

    async def answer(self, question: Question) -> AnswerStarted:
        """Keep the new messages and begin the answer.

        Raises `NotFound`, `InvalidRequest`, `Conflict`, `ModelNotFound`: then nothing was kept.
        """
        with self._answers.room(question.user_id):
            return await self._answer(question)

    async def resume(self, question: Question, message_id: str) -> AnswerStarted:
        """Go on with an answer that was cut off. Raises what `answer` does."""
        with self._answers.room(question.user_id):
            return await self._resume(question, message_id)

    async def _answer(self, question: Question) -> AnswerStarted:
        user_id, chat_id = question.user_id, question.chat_id
        chat = await self._service.in_thread(lambda: self._workspace.chats.get(user_id, chat_id))
        path = branch(chat.messages, question.parent_id)
        self._answers.check_free(message.id for message in path)
        if not question.messages and (not path or path[-1].role == "assistant"):
            raise InvalidRequest("There is no message to answer; write one.", "messages")
        name = await self._model(question, chat)
        settings = await self._settings(chat, question)
        job = await self._job(name, _asked(settings, [*path, *question.messages], question.client), settings)
        kept, summary = await self._service.in_thread(lambda: self._keep(question, chat, name))
        above = frozenset(message.id for message in [*path, *kept[:-1]])
        self._answers.start(RunningAnswer(kept[-1], Place(user_id, summary, above), job))
        return AnswerStarted(kept, summary)

    async def _resume(self, question: Question, message_id: str) -> AnswerStarted:
        user_id, chat_id = question.user_id, question.chat_id
        chat = await self._service.in_thread(lambda: self._workspace.chats.get(user_id, chat_id))
        *path, message = branch(chat.messages, message_id)
        self._answers.check_free([message.id, *(other.id for other in path)])
        if message.role != "assistant":
            raise InvalidRequest("Only an answer can be gone on with.", "continue_id")
        if message.tool_calls:
            raise InvalidRequest("This answer ends with a tool call; have it answered again instead.", "continue_id")
        name = await self._model(replace(question, model=question.model or message.model), chat)
        settings = await self._settings(chat, question)
        # Tokens of most models begin with the space before a word: a prompt that ends with one misleads them.
        content = message.content.rstrip()
        asked = _asked(settings, path, question.client)
        if content:
            asked = replace(
                asked,
                messages=[*asked.messages, {"role": "assistant", "content": content}],
                continues=True,
                # Elsewhere a shape would begin anew in the middle; there the whole is measured at the end.
                output=None if self._sources.is_elsewhere(name) else asked.output,
            )
        job = await self._job(name, asked, settings)
        begun = replace(
            message, content=content, model=name, status="running", finish_reason=None, error=None, valid=None
        )
        above = frozenset(other.id for other in path)
        summary = summary_of(chat)
        answer = RunningAnswer(begun, Place(user_id, summary, above), job)
        self._answers.check_free([message.id])  # again: nobody else came first while this waited
        self._answers.start(answer)
        return AnswerStarted([begun], summary)

    async def count(self, question: Question, *, new: bool = False) -> ContextUse:
        """What the next prompt takes; nothing is loaded for it. ``new``: there is no chat yet."""
        chat = None
        if not new:
            chat = await self._service.in_thread(lambda: self._workspace.chats.get(question.user_id, question.chat_id))
        path = branch(chat.messages, question.parent_id) if chat is not None else []
        name = await self._model(question, chat)
        async with self._counting:
            settings = await self._settings(chat, question, shape=False)
            asked = _asked(settings, [*path, *question.messages], question.client)
            if not any(message["role"] == "user" for message in asked.messages):
                asked = replace(asked, messages=[*asked.messages, {"role": "user", "content": ""}])
            tokens = None
            length = await self._sources.context_length(name)
            if await self._sources.is_ready(name):
                source = await self._sources.find(name)
                tokens, length = await source.count(asked), source.max_model_len
        wanted = settings.context_length
        return ContextUse(tokens, min(length, wanted) if length and wanted else length or wanted)

    # -- inside ----------------------------------------------------------------------------------------

    async def _model(self, question: Question, chat: Chat | None) -> str:
        wanted = question.model or (chat.model if chat is not None else None)
        if wanted:
            return await self._sources.choose(wanted)
        defaults = await self._service.in_thread(lambda: self._defaults(question.user_id))
        return await self._sources.choose(None, *defaults)

    def _defaults(self, user_id: str) -> list[str | None]:
        own = self._workspace.users.preferences(user_id).get("default_model")
        return [own, self._workspace.settings.get("default_model")]

    async def _job(self, name: str, asked: Asked, settings: AnswerSettings) -> Job:
        return Job(
            asked=asked,
            loaded=await self._sources.is_ready(name),
            find=self._sources.finder(name),
            shape=settings.output,
            elsewhere=self._sources.is_elsewhere(name),
        )

    async def _settings(self, chat: Chat | None, question: Question, *, shape: bool = True) -> AnswerSettings:
        layers = [chat.settings if chat is not None else {}, question.settings]
        if not shape:
            layers.append({"json_mode": "off"})
        return await self._service.in_thread(lambda: AnswerSettings.from_stored(*layers))

    def _keep(self, question: Question, chat: Chat, model: str) -> tuple[Sequence[Message], ChatSummary]:
        chats, user_id = self._workspace.chats, question.user_id
        answer = NewMessage(role="assistant", model=model, status="running")
        first, *rest = [*question.messages, answer]
        kept = chats.add_messages(user_id, chat.id, [replace(first, parent_id=question.parent_id), *rest])
        changes: ChatChanges = {}
        if not chat.title and not chat.titled:
            messages: list[Message | NewMessage] = [*chat.messages, *question.messages]
            asked = next((message for message in messages if message.role == "user"), None)
            if asked is not None and (title := title_of(asked.content, asked.attachments)):
                changes |= {"title": title, "titled": False}
        if chat.model is None:
            changes["model"] = model
        return kept, chats.update(user_id, chat.id, **changes) if changes else chats.summary(user_id, chat.id)


def _asked(settings: AnswerSettings, path: Sequence[Message | NewMessage], client: str) -> Asked:
    return Asked(
        messages=prompt_messages(settings.system, path),
        sampling=settings.sampling,
        tools=settings.tools,
        output=settings.output,
        context_length=settings.context_length,
        drop_oldest=settings.drop_oldest,
        client=client,
    )


def message_of(chat: Chat, message_id: str) -> Message:
    """One message of a chat. Raises `NotFound`."""
    return branch(chat.messages, message_id)[-1]


def summary_of(chat: Chat) -> ChatSummary:
    """A chat's line of the history."""
    return ChatSummary(**{part.name: getattr(chat, part.name) for part in fields(ChatSummary)})
