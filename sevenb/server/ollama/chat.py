"""Ollama's chat and generate, streaming (the default) and not."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

from fastapi import APIRouter, Request, Response

from sevenb.engine.completion import TokenLogprob
from sevenb.server.access.clients import client_of
from sevenb.server.chat import (
    AnswerEnded,
    ArgumentsPiece,
    CallEnded,
    CallStarted,
    ChatAnswer,
    ChatGeneration,
    TextPiece,
    ToolCall,
    open_turn,
)
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.ollama.generate import generate_turn
from sevenb.server.ollama.route import (
    ERRORS,
    NDJSON,
    Loaded,
    OllamaRoute,
    asks_to_unload,
    error_line,
    line,
    load,
    timestamp,
    unload,
)
from sevenb.server.ollama.turn import chat_turn
from sevenb.server.ollama.types import (
    CallBody,
    ChatRequest,
    ChatResponse,
    FunctionBody,
    GenerateRequest,
    GenerateResponse,
    LogprobBody,
    MessageBody,
    TokenLogprobBody,
)
from sevenb.server.service import Service
from sevenb.server.streaming import EventStream, json_response, unless_client_leaves

router = APIRouter(prefix="/api", tags=["Ollama"], route_class=OllamaRoute, responses=ERRORS)

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {NDJSON: {}}, "description": "The answer; lines of it unless stream is false"}
}


@router.post("/chat", response_model=ChatResponse, responses=_STREAM)
async def chat(service: ServiceDependency, request: Request, body: ChatRequest) -> Response:
    """Answer a chat. Tool calls always fit their tool's schema, and answers the ``format``."""
    turn = chat_turn(body, client=client_of(request, None))
    if not body.messages:
        done_reason = await _load_or_unload(service, body)
        return json_response(_ChatLines(body.model).line("", done=True, done_reason=done_reason))
    loaded = await load(service, body.model, body.keep_alive)
    answer = _Answer(loaded, _ChatLines(body.model), await open_turn(service, loaded.model, turn))
    return await answer.response(request, stream=body.stream is not False)


@router.post("/generate", response_model=GenerateResponse, responses=_STREAM)
async def generate(service: ServiceDependency, request: Request, body: GenerateRequest) -> Response:
    """Answer a prompt, go on with one (``raw``), or fill in what stands between it and a ``suffix``."""
    lines = _GenerateLines(body.model, with_context=not body.raw)
    if not body.prompt and not body.suffix:
        done_reason = await _load_or_unload(service, body)
        return json_response(lines.line("", done=True, done_reason=done_reason))
    loaded = await load(service, body.model, body.keep_alive)
    client = client_of(request, None)
    turn = await service.in_thread(partial(generate_turn, loaded.model.text, body, client=client))
    answer = _Answer(loaded, lines, await open_turn(service, loaded.model, turn))
    return await answer.response(request, stream=body.stream is not False)


async def _load_or_unload(service: Service, body: ChatRequest | GenerateRequest) -> str:
    """What a request without anything to answer is for; returns Ollama's word for it."""
    if asks_to_unload(body.keep_alive):
        await unload(service, body.model)
        return "unload"
    await load(service, body.model, body.keep_alive)
    return "load"


# -- how an answer is written ------------------------------------------------------------------------------


class _ChatLines:
    """The lines of a chat's answer."""

    def __init__(self, model: str) -> None:
        self._model = model

    def line(self, text: str, calls: Sequence[CallBody] = (), **fields: Any) -> ChatResponse:
        """One of them."""
        message = MessageBody(role="assistant", content=text, **({"tool_calls": list(calls)} if calls else {}))
        return ChatResponse(model=self._model, created_at=timestamp(), message=message, **fields)

    def figures(self, _: ChatGeneration) -> dict[str, Any]:
        """What else the last line says."""
        return {}


class _GenerateLines:
    """The lines of a generated text."""

    def __init__(self, model: str, *, with_context: bool) -> None:
        self._model = model
        self._with_context = with_context

    def line(self, text: str, _: Sequence[CallBody] = (), **fields: Any) -> GenerateResponse:
        """One of them."""
        return GenerateResponse(model=self._model, created_at=timestamp(), response=text, **fields)

    def figures(self, generation: ChatGeneration) -> dict[str, Any]:
        """The tokens so far, from which a later request can go on."""
        return {"context": generation.token_ids} if self._with_context else {}


class _Answer:
    """One answer and the figures about it."""

    def __init__(self, loaded: Loaded, lines: _ChatLines | _GenerateLines, generation: ChatGeneration) -> None:
        self._loaded = loaded
        self._lines = lines
        self._generation = generation

    async def response(self, request: Request, *, stream: bool) -> Response:
        """The whole HTTP response."""
        if stream:
            sign_of_life = line(self._lines.line("", done=False))
            return EventStream(self.stream(), error_line, sign_of_life=sign_of_life, media_type=NDJSON)
        answers = await unless_client_leaves(request, self._generation.run())
        return json_response(self.whole(answers[0]))

    def whole(self, answer: ChatAnswer) -> ChatResponse | GenerateResponse:
        """The finished answer."""
        calls = [_call(number, call) for number, call in enumerate(answer.calls)]
        if answer.logprobs is not None:
            return self._last(answer, answer.text, calls, logprobs=_logprobs(answer.logprobs))
        return self._last(answer, answer.text, calls)

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The answer as it grows. A call comes in one piece, when it is whole."""
        end: AnswerEnded | None = None
        open_call = ToolCall("", "", "")
        async with aclosing(self._generation.events()) as steps:
            async for step in steps:
                for event in step:
                    match event:
                        case TextPiece(text=text, logprobs=None):
                            yield line(self._lines.line(text, done=False))
                        case TextPiece(text=text, logprobs=logprobs) if logprobs:
                            yield line(self._lines.line(text, done=False, logprobs=_logprobs(logprobs)))
                        case CallStarted(id=id, name=name):
                            open_call = ToolCall(id, name, "")
                        case ArgumentsPiece(text=text):
                            open_call = ToolCall(open_call.id, open_call.name, open_call.arguments + text)
                        case CallEnded(call=number):
                            if (call := _call(number, open_call)) is not None:
                                yield line(self._lines.line("", [call], done=False))
                        case AnswerEnded():
                            end = event
        assert end is not None
        yield line(self._last(end, "", []))

    def _last(
        self, end: AnswerEnded | ChatAnswer, text: str, calls: Sequence[CallBody | None], **fields: Any
    ) -> ChatResponse | GenerateResponse:
        usage, timings = self._generation.usage, self._generation.timings
        if truncated := usage.prompt_tokens_details.truncated_tokens:
            fields["prompt_truncated_count"] = truncated
        return self._lines.line(
            text,
            [call for call in calls if call is not None],
            done=True,
            done_reason="stop" if end.finish_reason == "tool_calls" else end.finish_reason,
            total_duration=self._loaded.total_duration,
            load_duration=self._loaded.load_duration,
            prompt_eval_count=usage.prompt_tokens,
            prompt_eval_duration=_nanoseconds(timings.prefill),
            eval_count=usage.completion_tokens,
            eval_duration=_nanoseconds(timings.decode),
            **self._lines.figures(self._generation),
            **fields,
        )


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


def _call(number: int, call: ToolCall) -> CallBody | None:
    """A call as Ollama writes it; None for one that was cut off, which nobody could make."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except ValueError:
        return None
    return CallBody(id=call.id, function=FunctionBody(index=number, name=call.name, arguments=arguments))


def _logprobs(tokens: Sequence[TokenLogprob]) -> list[LogprobBody]:
    return [
        LogprobBody(
            token=token.text,
            logprob=token.logprob,
            bytes=list(token.bytes),
            **({"top_logprobs": [_top(other) for other in token.top]} if token.top else {}),
        )
        for token in tokens
    ]


def _top(token: TokenLogprob) -> TokenLogprobBody:
    return TokenLogprobBody(token=token.text, logprob=token.logprob, bytes=list(token.bytes))
