"""Anthropic's Messages API, streaming and not, and its counting of tokens."""

import uuid
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic_core import from_json

from sevenb.server.access.clients import client_of
from sevenb.server.anthropic.turn import chat_turn
from sevenb.server.anthropic.types import (
    AnthropicErrorResponse,
    Message,
    MessagesRequest,
    TextBlock,
    TokensCount,
    ToolUseBlock,
    TurnRequest,
    UsageBody,
)
from sevenb.server.chat import (
    AnswerEnded,
    ArgumentsPiece,
    CallEnded,
    CallStarted,
    ChatAnswer,
    ChatEvent,
    ChatGeneration,
    TextPiece,
    count_turn,
    open_turn,
)
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import Problem, anthropic_error, documented_errors
from sevenb.server.json_body import JsonRoute
from sevenb.server.service import ServedModel
from sevenb.server.streaming import EventStream, unless_client_leaves

router = APIRouter(
    prefix="/v1/messages",
    tags=["Anthropic"],
    route_class=JsonRoute,
    responses=documented_errors(AnthropicErrorResponse),
)


@router.post(
    "",
    response_model=Message,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "The answer; events of it with stream: true"}
    },
)
async def messages(service: ServiceDependency, request: Request, body: MessagesRequest) -> Response:
    """Answer a conversation. Tool calls always fit their tool's schema."""
    user = body.metadata.user_id if body.metadata is not None else None
    turn = chat_turn(body, client=client_of(request, user))
    model = await service.model(body.model)
    answer = _Answer(model, body, await open_turn(service, model, turn))
    headers = {"request-id": f"req_{uuid.uuid4().hex}"}
    if body.stream:
        return EventStream(answer.events(), _error_event, sign_of_life=_event("ping"), headers=headers)
    answers = await unless_client_leaves(request, answer.generation.run())
    return Response(answer.whole(answers[0]).model_dump_json(), media_type="application/json", headers=headers)


@router.post("/count_tokens")
async def count_tokens(service: ServiceDependency, body: TurnRequest) -> TokensCount:
    """Tokens that a conversation takes, system prompt and tools included."""
    turn = chat_turn(body)
    model = await service.model(body.model)
    return TokensCount(input_tokens=await count_turn(service, model, turn))


class _Answer:
    """One answer's identity, and how it is written."""

    def __init__(self, model: ServedModel, body: MessagesRequest, generation: ChatGeneration) -> None:
        self.generation = generation
        self._id = f"msg_{uuid.uuid4().hex}"
        self._max_model_len = model.max_model_len
        self._body = body

    def whole(self, answer: ChatAnswer) -> Message:
        """The finished answer."""
        content: list[TextBlock | ToolUseBlock] = []
        if self._body.max_tokens:
            if answer.text.strip():
                content.append(TextBlock(text=answer.text))
            content += [ToolUseBlock(id=call.id, name=call.name, input=_input(call.arguments)) for call in answer.calls]
        stop_reason, stop_sequence = self._stop(answer)
        return self._message(content, stop_reason, stop_sequence)

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The answer as it grows, in the order that Anthropic's documentation gives."""
        blocks = _Blocks()
        begun = False
        end: AnswerEnded | None = None
        async with aclosing(self.generation.events()) as steps:
            async for step in steps:
                if not begun:
                    begun = True
                    yield _event("message_start", message=self._message([], None, None).model_dump())
                    yield _event("ping")
                for event in step if self._body.max_tokens else ():
                    for data in blocks.write(event):
                        yield data
                end = next((event for event in step if isinstance(event, AnswerEnded)), end)
        # The end waits for the engine's own account, which comes a step after a stop string is found.
        assert end is not None
        for data in blocks.close():
            yield data
        stop_reason, stop_sequence = self._stop(end)
        yield _event(
            "message_delta",
            delta={"stop_reason": stop_reason, "stop_sequence": stop_sequence},
            usage=self._usage().model_dump(),
        )
        yield _event("message_stop")

    def _message(self, content: list[Any], stop_reason: Any, stop_sequence: str | None) -> Message:
        return Message(
            id=self._id,
            model=self._body.model,
            content=content,
            stop_reason=stop_reason,
            stop_sequence=stop_sequence,
            usage=self._usage(),
        )

    def _usage(self) -> UsageBody:
        usage = self.generation.usage
        cached = usage.prompt_tokens_details.cached_tokens
        return UsageBody(
            input_tokens=usage.prompt_tokens - cached,
            cache_read_input_tokens=cached,
            output_tokens=usage.completion_tokens if self._body.max_tokens else 0,
        )

    def _stop(self, end: AnswerEnded | ChatAnswer) -> tuple[str, str | None]:
        """Anthropic's ``stop_reason`` and ``stop_sequence``."""
        if not self._body.max_tokens:
            return "max_tokens", None
        match end.finish_reason:
            case "tool_calls":
                return "tool_use", None
            case "length":
                usage = self.generation.usage
                is_full = usage.total_tokens >= self._max_model_len and usage.completion_tokens < self._body.max_tokens
                return "model_context_window_exceeded" if is_full else "max_tokens", None
            case "abort":  # the server ended it; what there is can be sent back to be gone on with
                return "pause_turn", None
            case _ if isinstance(end.stop_reason, str):
                return "stop_sequence", end.stop_reason
        return "end_turn", None


class _Blocks:
    """The content blocks of a streamed answer, one open at a time. White space alone opens none."""

    def __init__(self) -> None:
        self._index = -1
        self._open: str | None = None  # "text" or "tool_use"
        self._held = ""

    def write(self, event: ChatEvent) -> Iterator[bytes]:
        """The events that tell of one of ours."""
        match event:
            case TextPiece(text=text):
                yield from self._write_text(text)
            case CallStarted(id=id, name=name):
                yield from self._start({"type": "tool_use", "id": id, "name": name, "input": {}})
                yield self._delta({"type": "input_json_delta", "partial_json": ""})
            case ArgumentsPiece(text=text):
                yield self._delta({"type": "input_json_delta", "partial_json": text})
            case CallEnded():
                yield from self.close()

    def close(self) -> Iterator[bytes]:
        """End the open block, if there is one."""
        self._held = ""
        if self._open is not None:
            self._open = None
            yield _event("content_block_stop", index=self._index)

    def _write_text(self, text: str) -> Iterator[bytes]:
        if self._open != "text":
            text = self._held + text
            if not text.strip():
                self._held = text
                return
            yield from self._start({"type": "text", "text": ""})
        if text:
            yield self._delta({"type": "text_delta", "text": text})

    def _start(self, block: dict[str, Any]) -> Iterator[bytes]:
        yield from self.close()
        self._index += 1
        self._open = block["type"]
        yield _event("content_block_start", index=self._index, content_block=block)

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)


def _input(arguments: str) -> dict[str, Any]:
    """A call's arguments; as much of them as there is, where max_tokens cut them off."""
    try:
        value = from_json(arguments or "{}", allow_partial=True)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _event(type_: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (type_.encode(), msgspec.json.encode({"type": type_, **fields}))


def _error_event(problem: Problem) -> bytes:
    """The last event of a stream that failed."""
    return b"event: error\ndata: %s\n\n" % msgspec.json.encode(anthropic_error(problem))
