"""Answers: begun by a message, told as events to whoever listens, stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Depends, FastAPI, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from sevenb.errors import InvalidRequest
from sevenb.server.access.principal import SignedIn, WorkspaceDependency, current_principal
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.console.running.answer import done_event
from sevenb.server.console.running.answers import RunningAnswers
from sevenb.server.console.running.asking import AnswerStarted, Asking, Question, message_of, summary_of
from sevenb.server.console.running.settings import SettingsFields
from sevenb.server.console.running.sources import Sources
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import Problem
from sevenb.server.service import Service
from sevenb.server.streaming import EventStream
from sevenb.workspace.records import Attachment, NewMessage, User

router = APIRouter(route_class=ConsoleRoute)

REMEMBERED_REQUESTS = 1000  # answers that a page can ask for twice without beginning them twice


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Make answers while the server runs."""
    service = cast(Service, app.state.service)
    answers = RunningAnswers(service, app.state.workspace)
    sources = Sources(service, getattr(app.state, "upstreams", None))
    app.state.answers = answers
    app.state.desk = Desk(Asking(service, app.state.workspace, sources, answers))
    async with answers.running():
        yield


# -- what pages send -------------------------------------------------------------------------------------


class AttachmentFields(BaseModel):
    """A text file beside a message."""

    model_config = ConfigDict(strict=True)

    name: str = Field(max_length=255)
    text: str


class MessageFields(BaseModel):
    """A new message of the user's, or the result of a tool."""

    model_config = ConfigDict(strict=True)

    role: Literal["user", "tool"]
    content: str
    attachments: list[AttachmentFields] = Field(default_factory=list)
    tool_call_id: str | None = Field(None, max_length=255)

    def record(self) -> NewMessage:
        """The message as the workspace keeps it. PostgreSQL keeps no NUL, so nothing here has one."""
        return NewMessage(
            role=self.role,
            content=_clean(self.content),
            attachments=[Attachment(_clean(one.name), _clean(one.text)) for one in self.attachments],
            tool_call_id=None if self.tool_call_id is None else _clean(self.tool_call_id),
        )


class QuestionFields(BaseModel):
    """Where in the tree something is asked, and how."""

    model_config = ConfigDict(strict=True)

    parent_id: str | None = None
    messages: list[MessageFields] = Field(default_factory=list, max_length=256)
    model: Annotated[str, Field(max_length=500)] | None = None
    settings: SettingsFields | None = None

    def question(self, user: User, chat_id: str) -> Question:
        """The question as it is asked by a user."""
        return Question(
            user_id=user.id,
            chat_id=chat_id,
            parent_id=self.parent_id,
            messages=[message.record() for message in self.messages],
            model=self.model,
            settings={} if self.settings is None else self.settings.stored(),
            client=current_principal().client,
        )


class AnswerFields(QuestionFields):
    """Body of ``POST /chats/{id}/answers``. ``request_id``: the same once more begins nothing new."""

    continue_id: str | None = None
    request_id: str | None = Field(None, max_length=100)


# -- routes ----------------------------------------------------------------------------------------------


class Desk:
    """Takes questions, each once, however often it is sent."""

    def __init__(self, asking: Asking) -> None:
        self.asking = asking
        self._begun: dict[tuple[str, str, str], asyncio.Task[AnswerStarted]] = {}

    async def begin(self, question: Question, continue_id: str | None, request_id: str | None) -> AnswerStarted:
        """Begin an answer, or return how the same request began it before."""
        if continue_id is not None and question.messages:
            raise InvalidRequest("An answer goes on without new messages; leave them out.", "messages")
        key = (question.user_id, question.chat_id, request_id or "")
        task = self._begun.get(key) if request_id else None
        if task is None:
            # A task of its own: a page that goes away in the middle leaves nothing half done.
            begin = self.asking.answer(question) if continue_id is None else self.asking.resume(question, continue_id)
            task = asyncio.create_task(_awaited(begin))
            if request_id:
                self._remember(key, task)
        return await asyncio.shield(task)

    def _remember(self, key: tuple[str, str, str], task: "asyncio.Task[AnswerStarted]") -> None:
        def forget_failure(done: "asyncio.Task[AnswerStarted]") -> None:
            if (done.cancelled() or done.exception() is not None) and self._begun.get(key) is done:
                del self._begun[key]

        self._begun[key] = task
        task.add_done_callback(forget_failure)
        while len(self._begun) > REMEMBERED_REQUESTS:
            del self._begun[next(iter(self._begun))]


def _desk(request: Request) -> Desk:
    return cast(Desk, request.app.state.desk)


def _answers(request: Request) -> RunningAnswers:
    return cast(RunningAnswers, request.app.state.answers)


DeskDependency = Annotated[Desk, Depends(_desk)]
AnswersDependency = Annotated[RunningAnswers, Depends(_answers)]


@router.post("/chats/{chat_id}/answers")
async def begin(user: SignedIn, desk: DeskDependency, chat_id: str, body: AnswerFields) -> Response:
    """Keep new messages and begin their answer, answer again, or go on with an answer."""
    return reply(await desk.begin(body.question(user, chat_id), body.continue_id, body.request_id))


@router.post("/chats/{chat_id}/tokens")
async def tokens(user: SignedIn, desk: DeskDependency, chat_id: str, body: QuestionFields) -> Response:
    """What the next prompt takes of the context. The chat ``new`` is one that is not made yet."""
    return reply(await desk.asking.count(body.question(user, chat_id), new=chat_id == "new"))


@router.get("/chats/{chat_id}/answers/{message_id}/events")
async def events(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    answers: AnswersDependency,
    chat_id: str,
    message_id: str,
    after: Annotated[str | None, Query()] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> Response:
    """The events of an answer, behind those that the page has; its end, where it has ended."""
    answer = answers.find(user.id, chat_id, message_id)
    if answer is not None:
        return EventStream(answer.follow(_number(last_event_id or after)), _error_event)
    chat = await service.in_thread(lambda: workspace.chats.get(user.id, chat_id))
    done = done_event(1, message_of(chat, message_id), summary_of(chat))
    return Response(done, media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


@router.post("/chats/{chat_id}/answers/{message_id}/stop")
async def stop(
    user: SignedIn,
    service: ServiceDependency,
    workspace: WorkspaceDependency,
    answers: AnswersDependency,
    chat_id: str,
    message_id: str,
) -> Response:
    """End an answer; what has come is kept. One that has ended already is left as it is."""
    answer = answers.find(user.id, chat_id, message_id)
    if answer is not None:
        await answers.stop(answer)
        return reply(answer.message)
    chat = await service.in_thread(lambda: workspace.chats.get(user.id, chat_id))
    return reply(message_of(chat, message_id))


async def _awaited(work: Any) -> Any:
    return await work


def _number(text: str | None) -> int | None:
    """An event's number; anything else is as good as none."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def _clean(text: str) -> str:
    return text.replace("\0", "\ufffd")


def _error_event(problem: Problem) -> bytes:
    """A comment: the page sees that the stream ended without `done`, and asks again."""
    return b": " + problem.message.encode() + b"\n\n"
