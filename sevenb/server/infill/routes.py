"""Editor completion as llama.cpp's server has it, for llama.vim, llama.vscode and their like: ``POST /infill``."""

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import Any, Literal

import msgspec
from fastapi import APIRouter, Request, Response

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.model.fim import CodeFile, FimPrompt, FimTokens
from sevenb.server.access.clients import client_of
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import Problem, documented_errors, llama_cpp_error
from sevenb.server.generation import Generation
from sevenb.server.infill.limits import InfillLimits
from sevenb.server.infill.types import Infill, InfillPiece, InfillRequest, InfillTimings, LlamaCppErrorResponse
from sevenb.server.json_body import JsonRoute
from sevenb.server.service import ServedModel
from sevenb.server.streaming import EventStream, unless_client_leaves

logger = logging.getLogger(__name__)

_USUAL_ANSWER = 128  # tokens that a request without a limit is sure to have room for

router = APIRouter(
    tags=["editor completion"], route_class=JsonRoute, responses=documented_errors(LlamaCppErrorResponse)
)


@router.post(
    "/infill",
    response_model=Infill | dict[str, Any],  # only some of it, where response_fields says so
    responses={
        200: {"content": {"text/event-stream": {}}, "description": "The middle; pieces of it with stream: true"}
    },
)
async def infill(service: ServiceDependency, request: Request, body: InfillRequest) -> Response:
    """Write what stands between a prefix and a suffix. Context that has no room is left out, as `truncated` tells."""
    for name in ("grammar", "json_schema"):  # of llama.cpp's: ignored, they would promise a shape that nobody keeps
        if (body.model_extra or {}).get(name):
            raise InvalidRequest(f"{name} is not supported here; send structured_outputs to /v1/completions.", name)
    if body.model_extra:
        logger.debug("Ignored unknown parameters: %s", ", ".join(sorted(body.model_extra)))
    params = body.sampling_params()
    model = await service.model(body.model)
    tokens = _fim_tokens(model)
    if not params.ignore_eos:
        params = msgspec.structs.replace(params, stop_token_ids=tokens.all)
    prompt = await service.in_thread(partial(_prompt, model, tokens, body))
    generation = Generation(
        service, model, [prompt.token_ids], params, parameter="input_prefix", client=client_of(request, None)
    )
    answer = _Answer(model, body, prompt, params, generation)
    if body.stream:
        return EventStream(answer.events(), _error_event)
    return Response(await unless_client_leaves(request, answer.whole()), media_type="application/json")


def _fim_tokens(model: ServedModel) -> FimTokens:
    tokens = FimTokens.of(model.text.tokenizer)
    if tokens is None:
        raise InvalidRequest(
            f"{model.name} was not trained to fill in the middle; serve a model that was, such as qwen2.5-coder:1.5b.",
            "model",
        )
    return tokens


def _prompt(model: ServedModel, tokens: FimTokens, body: InfillRequest) -> FimPrompt:
    wanted = _USUAL_ANSWER if body.n_predict in (None, -1) else max(1, body.n_predict or 0)
    return tokens.prompt(
        model.text.tokenizer,
        body.input_prefix + (body.prompt or ""),
        body.input_suffix,
        files=[CodeFile(extra.filename, extra.text) for extra in body.input_extra or ()],
        room=max(model.max_model_len - wanted, model.max_model_len // 2),
    )


class _Answer:
    """One completion: what came so far, when, and how it is told."""

    def __init__(
        self,
        model: ServedModel,
        body: InfillRequest,
        prompt: FimPrompt,
        params: SamplingParams,
        generation: Generation,
    ) -> None:
        self._model = model
        self._body = body
        self._prompt = prompt
        self._params = params
        self._generation = generation
        self._limits = InfillLimits(n_indent=body.n_indent or 0, predict_ms=max(0, body.t_max_predict_ms or 0))
        self._started = time.monotonic()
        self._first = self._last = self._started
        self._content: list[str] = []
        self._tokens: list[int] = []
        self._stop_type: Literal["none", "eos", "limit", "word"] = "limit" if body.n_predict == 0 else "none"
        self._stopping_word = ""

    async def whole(self) -> bytes:
        """The finished answer as JSON, with the fields that were asked for."""
        async with aclosing(self._pieces()) as pieces:
            async for _ in pieces:
                pass
        return self._final("".join(self._content), self._tokens if self._body.return_tokens else [])

    async def events(self) -> AsyncGenerator[bytes, None]:
        """The answer as it grows; the last event carries the account, and no text of its own."""
        async with aclosing(self._pieces()) as pieces:
            async for text, tokens in pieces:
                if text:
                    piece = self._piece(text, tokens, stop=False)
                    yield b"data: " + msgspec.json.encode(piece.model_dump()) + b"\n\n"
        yield b"data: " + self._final("", []) + b"\n\n"

    async def _pieces(self) -> AsyncGenerator[tuple[str, list[int]], None]:
        """What each step brought; ends early where a limit of the request is met."""
        async with aclosing(self._generation.pieces()) as steps:
            async for pieces in steps:
                for piece in pieces:
                    delta, now = piece.delta, time.monotonic()
                    self._first = self._first if self._tokens else now
                    self._last = now
                    self._tokens += delta.token_ids
                    if self._body.n_predict == 0:
                        continue  # the engine always makes a token; this one nobody asked for
                    text = self._limits.take(delta.text, milliseconds=1000 * (now - self._first))
                    self._content.append(text)
                    yield text, delta.token_ids
                    if self._limits.reached:
                        self._stop_type = "limit"
                        return
                    if delta.finish_reason == "length":
                        self._stop_type = "limit"
                    elif delta.finish_reason == "stop":
                        self._stop_type = "word" if isinstance(delta.stop_reason, str) else "eos"
                        self._stopping_word = delta.stop_reason if isinstance(delta.stop_reason, str) else ""

    # -- how it is told --------------------------------------------------------------------------------

    @property
    def _predicted(self) -> int:
        return 0 if self._body.n_predict == 0 else len(self._tokens)

    def _piece(self, content: str, tokens: list[int], *, stop: bool) -> InfillPiece:
        return InfillPiece(
            index=0,
            content=content,
            tokens=tokens,
            stop=stop,
            id_slot=self._slot,
            tokens_predicted=self._predicted,
            tokens_evaluated=len(self._prompt.token_ids),
        )

    @property
    def _slot(self) -> int:
        return max(0, self._body.id_slot or 0)

    def _final(self, content: str, tokens: list[int]) -> bytes:
        cached = self._generation.processor(0).cached_tokens
        answer = Infill(
            **self._piece(content, tokens, stop=True).model_dump(),
            model=self._body.model or self._model.name,
            prompt=self._model.text.tokenizer.decode(self._prompt.token_ids, skip_special_tokens=False),
            has_new_line=self._limits.has_new_line,
            truncated=self._prompt.truncated,
            stop_type=self._stop_type,
            stopping_word=self._stopping_word,
            tokens_cached=cached,
            generation_settings=self._settings(),
            timings=self._timings(cached),
        ).model_dump()
        if self._body.response_fields:
            answer = _selected(answer, self._body.response_fields)
        return msgspec.json.encode(answer)

    def _settings(self) -> dict[str, Any]:
        params = self._params
        return {
            "n_predict": -1 if self._body.n_predict is None else self._body.n_predict,
            "n_ctx": self._model.max_model_len,
            "temperature": params.temperature,
            "top_k": params.top_k,
            "top_p": params.top_p,
            "min_p": params.min_p,
            "repeat_penalty": params.repetition_penalty,
            "presence_penalty": params.presence_penalty,
            "frequency_penalty": params.frequency_penalty,
            "seed": -1 if params.seed is None else params.seed,
            "stop": list(params.stop),
            "ignore_eos": params.ignore_eos,
            "stream": bool(self._body.stream),
        }

    def _timings(self, cached: int) -> InfillTimings:
        prompt_n = len(self._prompt.token_ids) - cached
        prompt_ms, predicted_ms = 1000 * (self._first - self._started), 1000 * (self._last - self._first)
        return InfillTimings(
            cache_n=cached,
            prompt_n=prompt_n,
            prompt_ms=prompt_ms,
            prompt_per_token_ms=_ratio(prompt_ms, prompt_n),
            prompt_per_second=_ratio(1000 * prompt_n, prompt_ms),
            predicted_n=self._predicted,
            predicted_ms=predicted_ms,
            predicted_per_token_ms=_ratio(predicted_ms, self._predicted),
            predicted_per_second=_ratio(1000 * self._predicted, predicted_ms),
        )


def _ratio(amount: float, of: float) -> float:
    return amount / of if of > 0 else 0.0


def _selected(answer: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """The fields at some paths, each under its whole path; what does not exist is left out, as llama.cpp does."""
    selected = {}
    for path in paths:
        value: Any = answer
        for key in path.split("/"):
            value = value.get(key, ...) if isinstance(value, dict) else ...
        if value is not ...:
            selected[path] = value
    return selected


def _error_event(problem: Problem) -> bytes:
    return b"data: " + msgspec.json.encode(llama_cpp_error(problem)) + b"\n\n"
