"""OpenAI's chat completions, streaming and not."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from fastapi import APIRouter, Request, Response

from sevenb.engine.completion import TokenLogprob
from sevenb.errors import InvalidRequest
from sevenb.server.chat_prompt import render_chat
from sevenb.server.clients import client_of
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.generation import Generation, Piece
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai_types import (
    AssistantMessage,
    ChatChoice,
    ChatChunkChoice,
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionRequest,
    ChatDelta,
    ChatLogprobs,
    ChatTokenLogprob,
    TimingsBody,
    TopLogprob,
    Usage,
)
from sevenb.server.parameters import refuse_unsupported, sampling_params
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
    if body.top_logprobs is not None and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs: true.", "top_logprobs")
    params = sampling_params(
        body,
        max_tokens=body.max_completion_tokens or body.max_tokens,
        logprobs=(body.top_logprobs or 0) if body.logprobs else None,
    )
    model = await service.model(body.model)
    prompt = await service.in_thread(
        partial(
            render_chat,
            model.text,
            body.messages,
            add_generation_prompt=body.add_generation_prompt,
            continue_final_message=bool(body.continue_final_message),
            template_kwargs=body.chat_template_kwargs,
        )
    )
    generation = Generation(
        service,
        model,
        [prompt],
        params,
        parameter="messages",
        priority=body.priority,
        client=client_of(request, body.user),
    )
    answer = _Answer(model, body.model or service.names[0], generation)
    if body.stream:
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(answer.events(include_usage=include_usage), openai_error_event)
    await unless_client_leaves(request, generation.run())
    return json_response(answer.whole())


class _Answer:
    """One answer's identity, and how it is written."""

    def __init__(self, model: ServedModel, name: str, generation: Generation) -> None:
        self._id = f"chatcmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._name = name
        self._fingerprint = model.fingerprint
        self._generation = generation

    def whole(self) -> ChatCompletion:
        """The finished answer."""
        generation = self._generation
        return ChatCompletion(
            id=self._id,
            object="chat.completion",
            created=self._created,
            model=self._name,
            system_fingerprint=self._fingerprint,
            choices=[
                ChatChoice(
                    index=output.index,
                    message=AssistantMessage(role="assistant", content=output.text, refusal=None),
                    logprobs=_logprobs(output.logprobs),
                    finish_reason=output.finish_reason or "abort",
                    stop_reason=output.stop_reason,
                )
                for output in generation.processors[0].completion().outputs
            ],
            usage=generation.usage,
            timings=generation.timings,
        )

    async def events(self, *, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The answer as it grows. The last chunk (the usage chunk, where asked for) carries the timings."""
        generation = self._generation
        usage: dict[str, Usage | None] = {"usage": None} if include_usage else {}
        open_choices = generation.choices
        last: ChatChunkChoice | None = None
        started = False
        async for pieces in generation.pieces():
            if not started:
                started = True
                for index in range(generation.choices):
                    yield self._chunk([_choice(index, ChatDelta(role="assistant", content=""))], **usage)
            for piece in pieces:
                delta = piece.delta
                if delta.text or delta.logprobs:
                    yield self._chunk([_content(piece)], **usage)
                if delta.finish_reason is not None:
                    open_choices -= 1
                    last = _choice(piece.choice, ChatDelta(), delta.finish_reason, delta.stop_reason)
                    if open_choices:
                        yield self._chunk([last], **usage)
        # The last choice's end waits for the engine's own account, which comes a step after a stop string is found.
        assert last is not None
        if include_usage:
            yield self._chunk([last], usage=None)
            yield self._chunk([], usage=generation.usage, timings=generation.timings)
        else:
            yield self._chunk([last], timings=generation.timings)
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


def _choice(
    index: int, delta: ChatDelta, finish_reason: str | None = None, stop_reason: str | int | None = None
) -> ChatChunkChoice:
    choice = ChatChunkChoice(index=index, delta=delta, logprobs=None, finish_reason=finish_reason)
    if finish_reason is not None:
        choice.stop_reason = stop_reason
    return choice


def _content(piece: Piece) -> ChatChunkChoice:
    return ChatChunkChoice(
        index=piece.choice,
        delta=ChatDelta(content=piece.delta.text),
        logprobs=_logprobs(piece.delta.logprobs),
        finish_reason=None,
    )


def _logprobs(tokens: Sequence[TokenLogprob] | None) -> ChatLogprobs | None:
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
