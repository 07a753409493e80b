"""OpenAI's text completions, streaming and not: text or token-id prompts, one or many, echo, log-probabilities."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from fastapi import APIRouter, Request, Response

from sevenb.engine.completion import CompletionOutput, TokenLogprob
from sevenb.engine.output_processor import SequenceDelta
from sevenb.errors import InvalidRequest
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.clients import client_of
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.generation import Generation
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai_types import (
    Completion,
    CompletionChoice,
    CompletionLogprobs,
    CompletionRequest,
    TimingsBody,
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

MAX_PROMPTS = 256

router = APIRouter(prefix="/v1", tags=["OpenAI"], route_class=JsonRoute)


@router.post(
    "/completions",
    response_model=Completion,
    responses={200: {"content": {"text/event-stream": {}}, "description": "The text; events of it with stream: true"}},
)
async def completions(service: ServiceDependency, request: Request, body: CompletionRequest) -> Response:
    """Continue a text."""
    refuse_unsupported(body)
    if body.best_of is not None and body.best_of != (body.n or 1):
        raise InvalidRequest(
            "best_of other than n is not supported; set n to the number of answers you want.", "best_of"
        )
    if body.max_tokens == 0 and not body.echo:
        raise InvalidRequest("max_tokens is 0; it must be at least 1 (0 goes with echo: true only).", "max_tokens")
    params = sampling_params(
        body,
        # The engine always makes a token; one that nobody asked for is left out of the answer.
        max_tokens=1 if body.max_tokens == 0 else body.max_tokens,
        logprobs=body.logprobs,
        prompt_logprobs=body.logprobs if body.echo else None,
    )
    model = await service.model(body.model)
    prompts = await service.in_thread(partial(_prompt_token_ids, model.text.tokenizer, body.prompt))
    generation = Generation(
        service,
        model,
        prompts,
        params,
        parameter="prompt",
        priority=body.priority,
        client=client_of(request, body.user),
    )
    echoes: list[str] = []
    if body.echo:
        echoes = await service.in_thread(partial(_prompt_texts, model.text.tokenizer, body.prompt))
    answer = _Answer(model, body.model or service.names[0], generation, echoes, wants_text=body.max_tokens != 0)
    if body.stream:
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(answer.events(include_usage=include_usage), openai_error_event)
    await unless_client_leaves(request, generation.run())
    return json_response(answer.whole())


def _as_list(prompt: str | list[str] | list[int] | list[list[int]]) -> Sequence[str | list[int]]:
    if isinstance(prompt, str):
        return [prompt]
    if isinstance(prompt[0], int):
        return [prompt]  # the first entry tells: these are one prompt's token ids
    return prompt


def _prompt_token_ids(tokenizer: Tokenizer, prompt: str | list[str] | list[int] | list[list[int]]) -> list[list[int]]:
    if len(_as_list(prompt)) > MAX_PROMPTS:
        raise InvalidRequest(f"prompt holds {len(prompt)} prompts; send at most {MAX_PROMPTS} at once.", "prompt")
    prompts = [p if isinstance(p, list) else tokenizer.encode(p, parse_special=True) for p in _as_list(prompt)]
    for token_id in (token_id for token_ids in prompts for token_id in token_ids):
        if not 0 <= token_id < tokenizer.vocab_size:
            raise InvalidRequest(
                f"prompt holds the token id {token_id}, but this model's ids go from 0 to {tokenizer.vocab_size - 1}.",
                "prompt",
            )
    return prompts


def _prompt_texts(tokenizer: Tokenizer, prompt: str | list[str] | list[int] | list[list[int]]) -> list[str]:
    return [p if isinstance(p, str) else tokenizer.decode(p, skip_special_tokens=False) for p in _as_list(prompt)]


class _Answer:
    """One answer's identity, and how it is written. ``echoes`` are the prompts' texts, none without echo."""

    def __init__(
        self, model: ServedModel, name: str, generation: Generation, echoes: Sequence[str], *, wants_text: bool
    ) -> None:
        self._id = f"cmpl-{uuid.uuid4().hex}"
        self._created = int(time.time())
        self._name = name
        self._fingerprint = model.fingerprint
        self._tokenizer = model.text.tokenizer
        self._generation = generation
        self._echoes = echoes
        self._wants_text = wants_text

    def whole(self) -> Completion:
        """The finished answer."""
        generation = self._generation
        choices = [
            self._choice(generation.choice(number, output.index), number, output, begins=True)
            for number, processor in enumerate(generation.processors)
            for output in processor.completion().outputs
        ]
        return self._completion(choices, usage=self._usage(), timings=generation.timings)

    async def events(self, *, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The answer as it grows. The last chunk (the usage chunk, where asked for) carries the timings."""
        usage: dict[str, Usage | None] = {"usage": None} if include_usage else {}
        open_choices = self._generation.choices
        begun: set[int] = set()
        last: CompletionChoice | None = None
        async for pieces in self._generation.pieces():
            for piece in pieces:
                delta, begins = piece.delta, piece.choice not in begun
                if not (delta.text or delta.logprobs or delta.finish_reason or (begins and self._echoes)):
                    continue
                begun.add(piece.choice)
                last = self._choice(piece.choice, piece.prompt, delta, begins=begins)
                open_choices -= delta.finish_reason is not None
                if open_choices:
                    yield data_event(self._completion([last], **usage))
        # The last choice's end waits for the engine's own account, which comes a step after a stop string is found.
        assert last is not None
        if include_usage:
            yield data_event(self._completion([last], usage=None))
            yield data_event(self._completion([], usage=self._usage(), timings=self._generation.timings))
        else:
            yield data_event(self._completion([last], timings=self._generation.timings))
        yield DONE

    def _completion(self, choices: list[CompletionChoice], **extra: Usage | TimingsBody | None) -> Completion:
        return Completion.model_validate(
            {
                "id": self._id,
                "object": "text_completion",
                "created": self._created,
                "model": self._name,
                "system_fingerprint": self._fingerprint,
                "choices": choices,
                **extra,
            }
        )

    def _choice(
        self, index: int, prompt: int, gained: SequenceDelta | CompletionOutput, *, begins: bool
    ) -> CompletionChoice:
        text = gained.text if self._wants_text else ""
        tokens = gained.logprobs if self._wants_text or gained.logprobs is None else []
        echo = self._echoes[prompt] if self._echoes else ""
        logprobs = None if tokens is None else _legacy_logprobs(tokens, shift=len(echo))
        if begins and logprobs is not None and self._echoes:
            logprobs = _joined(self._prompt_logprobs(prompt), logprobs)
        choice = CompletionChoice(
            index=index,
            text=echo + text if begins else text,
            logprobs=logprobs,
            finish_reason=gained.finish_reason,
        )
        if gained.finish_reason is not None:
            choice.stop_reason = gained.stop_reason
        return choice

    def _prompt_logprobs(self, prompt: int) -> CompletionLogprobs:
        """The first token follows on nothing, so it has no log-probability."""
        processor = self._generation.processors[prompt]
        first = self._tokenizer.token_text(self._generation.prompts[prompt][0])
        start = CompletionLogprobs(tokens=[first], token_logprobs=[None], top_logprobs=[None], text_offset=[0])
        return _joined(start, _legacy_logprobs([t for t in processor.prompt_logprobs or [] if t is not None], shift=0))

    def _usage(self) -> Usage:
        usage = self._generation.usage
        if not self._wants_text:
            usage.completion_tokens, usage.total_tokens = 0, usage.prompt_tokens
        return usage


def _legacy_logprobs(tokens: Sequence[TokenLogprob], *, shift: int) -> CompletionLogprobs:
    return CompletionLogprobs(
        tokens=[token.text for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        # The chosen token belongs to the map even where it is not among the best.
        top_logprobs=[
            {token.text: token.logprob} | {other.text: other.logprob for other in token.top} for token in tokens
        ],
        text_offset=[token.text_offset + shift for token in tokens],
    )


def _joined(first: CompletionLogprobs, second: CompletionLogprobs) -> CompletionLogprobs:
    return CompletionLogprobs(
        tokens=first.tokens + second.tokens,
        token_logprobs=first.token_logprobs + second.token_logprobs,
        top_logprobs=first.top_logprobs + second.top_logprobs,
        text_offset=first.text_offset + second.text_offset,
    )
