"""OpenAI's chat completions, streaming and not: text, calls of tools, guaranteed shapes."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

from fastapi import APIRouter, Request, Response

from sevenb.engine.completion import TokenLogprob
from sevenb.errors import InvalidRequest
from sevenb.server.access.clients import client_of
from sevenb.server.bodies import TimingsBody, Usage
from sevenb.server.chat import (
    AnswerEnded,
    ArgumentsPiece,
    CallEnded,
    CallStarted,
    ChatAnswer,
    ChatEvent,
    ChatGeneration,
    ChatTurn,
    TextPiece,
    open_turn,
)
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai.chat_types import (
    AssistantMessage,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatDelta,
    ChatLogprobs,
    ChatTokenLogprob,
    FunctionCall,
    FunctionCallDelta,
    ToolCallBody,
    ToolCallDelta,
    TopLogprob,
)
from sevenb.server.openai.parameters import output_format, refuse_unsupported, sampling_params, tools_and_choice
from sevenb.server.recommended import left_out
from sevenb.server.service import ServedModel
from sevenb.server.streaming import (
    DONE,
    EventStream,
    data_event,
    json_response,
    openai_error_event,
    unless_client_leaves,
)

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=JsonRoute)


@router.post(
    "/chat/completions",
    response_model=ChatCompletion,
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "The answer; events of it with stream: true"}
    },
)
async def chat_completions(service: ServiceDependency, request: Request, body: ChatCompletionRequest) -> Response:
    """Answer a chat."""
    refuse_unsupported(body)
    turn = _turn(body, client_of(request, body.user))
    model = await service.model(body.model)
    generation = await open_turn(service, model, turn)
    writer = _Writer(model, body.model or model.name, generation)
    if body.stream:
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(writer.events(include_usage=include_usage), openai_error_event)
    answers = await unless_client_leaves(request, generation.run())
    return json_response(writer.whole(answers))


def _turn(body: ChatCompletionRequest, client: str) -> ChatTurn:
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs: true.", "top_logprobs")
    tools, tool_choice = tools_and_choice(body.tools, body.tool_choice, parallel=body.parallel_tool_calls)
    return ChatTurn(
        messages=[message.plain() for message in body.messages],
        params=sampling_params(
            body,
            max_tokens=body.max_completion_tokens or body.max_tokens,
            logprobs=(body.top_logprobs or 0) if body.logprobs else None,
        ),
        left_out=left_out(body),
        tools=tools,
        tool_choice=tool_choice,
        output=output_format(body),
        add_generation_prompt=body.add_generation_prompt,
        continue_final_message=bool(body.continue_final_message),
        template_kwargs=body.chat_template_kwargs,
        priority=body.priority,
        client=client,
        truncate_prompt_tokens=body.truncate_prompt_tokens,
    )


class _Writer:
    """One answer's identity, and how it is written."""

    def __init__(self, model: ServedModel, name: str, generation: ChatGeneration) -> None:
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._name = name
        self._fingerprint = model.fingerprint
        self._generation = generation

    def whole(self, answers: Sequence[ChatAnswer]) -> ChatCompletion:
        """The finished answers."""
        return ChatCompletion(
            id=self._id,
            object="chat.completion",
            created=self._created,
            model=self._name,
            system_fingerprint=self._fingerprint,
            choices=[
                ChatChoice(
                    index=answer.choice,
                    message=_message(answer),
                    logprobs=chat_logprobs(answer.logprobs),
                    finish_reason=answer.finish_reason,
                    stop_reason=answer.stop_reason,
                )
                for answer in answers
            ],
            usage=self._generation.usage,
            timings=self._generation.timings,
        )

    async def events(self, *, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The answers as they grow. The last chunk (the usage chunk, where asked for) carries the timings."""
        usage: dict[str, Usage | None] = {"usage": None} if include_usage else {}
        begun: set[int] = set()
        open_choices = self._generation.choices
        last: ChatChunkChoice | None = None
        async with aclosing(self._generation.events()) as steps:
            async for events in steps:
                for event in events:
                    if event.choice not in begun:
                        begun.add(event.choice)
                        yield self._chunk([_opening(event)], **usage)
                    if (choice := _chunk_choice(event)) is None:
                        continue
                    last = choice
                    open_choices -= choice.finish_reason is not None
                    if open_choices:
                        yield self._chunk([choice], **usage)
        # The last choice's end waits for the engine's own account, which comes a step after a stop string is found.
        assert last is not None
        if include_usage:
            yield self._chunk([last], usage=None)
            yield self._chunk([], usage=self._generation.usage, timings=self._generation.timings)
        else:
            yield self._chunk([last], timings=self._generation.timings)
        yield DONE

    def _chunk(self, choices: list[ChatChunkChoice], **extra: Usage | TimingsBody | None) -> bytes:
        return data_event(
            ChatCompletionChunk.model_validate(
                {
                    "id": self._id,
                    "object": "chat.completion.chunk",
                    "created": self._created,
                    "model": self._name,
                    "system_fingerprint": self._fingerprint,
                    "choices": choices,
                    **extra,
                }
            )
        )


def _message(answer: ChatAnswer) -> AssistantMessage:
    content = None if answer.calls and not answer.text else answer.text
    message = AssistantMessage(role="assistant", content=content, refusal=None)
    if answer.calls:
        message.tool_calls = [
            ToolCallBody(id=call.id, type="function", function=FunctionCall(name=call.name, arguments=call.arguments))
            for call in answer.calls
        ]
    return message


def _opening(first: ChatEvent) -> ChatChunkChoice:
    """An answer's first chunk. One that begins with a call has no content, unless text follows."""
    begins_call = isinstance(first, CallStarted) or (isinstance(first, TextPiece) and not first.text)
    content = None if begins_call else ""
    return _choice(first.choice, ChatDelta(role="assistant", content=content))


def _chunk_choice(event: ChatEvent) -> ChatChunkChoice | None:
    match event:
        case TextPiece(choice, text, logprobs):
            return _choice(choice, ChatDelta(content=text) if text else ChatDelta(), logprobs)
        case CallStarted(choice, call, id, name):
            function = FunctionCallDelta(name=name, arguments="")
            return _call_piece(choice, ToolCallDelta(index=call, id=id, type="function", function=function))
        case ArgumentsPiece(choice, call, text):
            return _call_piece(choice, ToolCallDelta(index=call, function=FunctionCallDelta(arguments=text)))
        case AnswerEnded(choice, finish_reason, stop_reason):
            ending = _choice(choice, ChatDelta())
            ending.finish_reason, ending.stop_reason = finish_reason, stop_reason
            return ending
        case CallEnded():
            return None


def _call_piece(choice: int, piece: ToolCallDelta) -> ChatChunkChoice:
    return _choice(choice, ChatDelta(tool_calls=[piece]))


def _choice(index: int, delta: ChatDelta, logprobs: Sequence[TokenLogprob] | None = None) -> ChatChunkChoice:
    return ChatChunkChoice(index=index, delta=delta, logprobs=chat_logprobs(logprobs), finish_reason=None)


def chat_logprobs(tokens: Sequence[TokenLogprob] | None) -> ChatLogprobs | None:
    """Log-probabilities in the shape of a chat's answer."""
    if tokens is None:
        return None
    return ChatLogprobs(
        content=[
            ChatTokenLogprob(
                token=token.text,
                logprob=token.logprob,
                bytes=list(token.bytes),
                top_logprobs=[
                    TopLogprob(token=other.text, logprob=other.logprob, bytes=list(other.bytes)) for other in token.top
                ],
            )
            for token in tokens
        ],
        refusal=None,
    )
