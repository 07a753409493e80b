"""OpenAI's text completions, streaming and not: one prompt or many, echo, what stands before a suffix, shapes."""

import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter, Request, Response

from sevenb.engine.completion import CompletionOutput, TokenLogprob
from sevenb.engine.output_processor import SequenceDelta
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.shape import constrained
from sevenb.errors import InvalidRequest
from sevenb.model.fim import FimTokens
from sevenb.model.tokenizer import Tokenizer
from sevenb.server.access.clients import client_of
from sevenb.server.bodies import TimingsBody, Usage, check_token_ids
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.generation import Generation, Proof, last_tokens
from sevenb.server.json_body import JsonRoute
from sevenb.server.openai.parameters import as_list, output_format, refuse_unsupported, sampling_params
from sevenb.server.openai.types import Completion, CompletionChoice, CompletionLogprobs, CompletionRequest
from sevenb.server.recommended import left_out, with_recommended
from sevenb.server.service import ServedModel
from sevenb.server.streaming import (
    DONE,
    EventStream,
    data_event,
    json_response,
    openai_error_event,
    unless_client_leaves,
)
from sevenb.structured.output_format import OutputFormat

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
    params, output = _params(body), output_format(body)
    model = await service.model(body.model)
    params = with_recommended(params, left_out(body), model.text.sampling)
    ready = await service.in_thread(partial(_prepare, model, body, params, output))
    generation = Generation(
        service,
        model,
        ready.prompts,
        ready.params,
        parameter="prompt",
        proof=ready.proof,
        priority=body.priority,
        client=client_of(request, body.user),
        truncated_tokens=ready.truncated_tokens,
    )
    writer = _Writer(model, body.model or model.name, generation, ready.echoes, wants_text=body.max_tokens != 0)
    if body.stream:
        include_usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(writer.events(include_usage=include_usage), openai_error_event)
    await unless_client_leaves(request, generation.run())
    return json_response(writer.whole())


def _params(body: CompletionRequest) -> SamplingParams:
    if body.max_tokens == 0 and not body.echo:
        raise InvalidRequest("max_tokens is 0; it must be at least 1 (0 goes with echo: true only).", "max_tokens")
    return sampling_params(
        body,
        # The engine always makes a token; one that nobody asked for is left out of the answer.
        max_tokens=1 if body.max_tokens == 0 else body.max_tokens,
        logprobs=body.logprobs,
        prompt_logprobs=body.logprobs if body.echo else None,
    )


# -- what the engine needs -------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Ready:
    """A request as the engine takes it; ``echoes`` are the prompts' texts, none without echo."""

    prompts: list[list[int]]
    params: SamplingParams
    proof: Proof | None
    echoes: list[str]
    truncated_tokens: int


def _prepare(
    model: ServedModel, body: CompletionRequest, params: SamplingParams, output: OutputFormat | None
) -> _Ready:
    whole = _prompt_token_ids(model.text.tokenizer, body)
    prompts = [last_tokens(prompt, body.truncate_prompt_tokens, model, params) for prompt in whole]
    proof = None
    if output is not None:
        constraint = output.constraint()
        params = constrained(params, constraint)
        proof = None if constraint.check is None else Proof(constraint.check, output.parameter)
    return _Ready(
        prompts,
        params,
        proof,
        echoes=_echoes(model.text.tokenizer, body, whole, prompts) if body.echo else [],
        truncated_tokens=sum(map(len, whole)) - sum(map(len, prompts)),
    )


def _prompt_token_ids(tokenizer: Tokenizer, body: CompletionRequest) -> list[list[int]]:
    prompts = as_list(body.prompt)
    if len(prompts) > MAX_PROMPTS:
        raise InvalidRequest(f"prompt holds {len(prompts)} prompts; send at most {MAX_PROMPTS} at once.", "prompt")
    for prompt in prompts:
        if not isinstance(prompt, str):
            check_token_ids(prompt, tokenizer, "prompt")
    if body.suffix:
        return [_fim_prompt(tokenizer, prompt, body.suffix) for prompt in prompts]
    return [p if isinstance(p, list) else tokenizer.encode(p, parse_special=True) for p in prompts]


def _fim_prompt(tokenizer: Tokenizer, prompt: str | list[int], suffix: str) -> list[int]:
    """The prompt for what stands between ``prompt`` and ``suffix``, by the model's own tokens for that."""
    tokens = FimTokens.of(tokenizer)
    if tokens is None:
        raise InvalidRequest(
            "suffix does not work here: this model has no tokens to fill in the middle with.", "suffix"
        )
    if not isinstance(prompt, str):
        raise InvalidRequest(
            "suffix goes with a prompt of text only; place the tokens yourself, or send text.", "suffix"
        )
    return tokens.prompt(tokenizer, prompt, suffix).token_ids


def _echoes(
    tokenizer: Tokenizer, body: CompletionRequest, whole: Sequence[list[int]], prompts: Sequence[list[int]]
) -> list[str]:
    """The prompts as text: as they were sent, where nothing was added to them or taken away."""
    return [
        sent
        if isinstance(sent, str) and (body.suffix or len(read) == len(kept))
        # A prompt of token ids, or one that was cut, has no other text than that of its tokens.
        else tokenizer.decode(kept, skip_special_tokens=False)
        for sent, read, kept in zip(as_list(body.prompt), whole, prompts, strict=True)
    ]


# -- how it is written -----------------------------------------------------------------------------------


class _Writer:
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
        answers_each = generation.choices // len(generation.prompts)
        choices = [
            self._choice(output.index, output.index // answers_each, output, begins=True)
            for output in generation.outputs
        ]
        return self._completion(choices, usage=self._usage(), timings=generation.timings)

    async def events(self, *, include_usage: bool) -> AsyncGenerator[bytes, None]:
        """The answer as it grows. The last chunk (the usage chunk, where asked for) carries the timings."""
        usage: dict[str, Usage | None] = {"usage": None} if include_usage else {}
        open_choices = self._generation.choices
        begun: set[int] = set()
        last: CompletionChoice | None = None
        async with aclosing(self._generation.pieces()) as steps:
            async for pieces in steps:
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
        processor = self._generation.processor(prompt)
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
