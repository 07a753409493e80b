"""Texts as vectors, and other work that is done when a prompt is read, whatever the dialect."""

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from sevenb.backend.protocol import FloatArray
from sevenb.engine.messages import AddRequest, RequestOutput
from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import ContextOverflow, EngineDied, InvalidRequest
from sevenb.model.embedding import Pooling
from sevenb.server.bodies import check_token_ids
from sevenb.server.service import ServedModel, Service

MAX_INPUTS = 2048  # in one request, as OpenAI has it
_IN_FLIGHT = 64  # of them in the engine at once: as many as a batch has seats


@dataclass(frozen=True)
class Embedded:
    """``vectors`` [inputs, dimensions], each of length 1; the tokens that were read for them, and those cut off."""

    vectors: FloatArray
    prompt_tokens: int
    truncated_tokens: int = 0


async def embed(
    service: Service,
    model: ServedModel,
    inputs: Sequence[str | Sequence[int]],
    *,
    dimensions: int | None = None,
    truncate: bool = False,
    max_tokens: int | None = None,
    parameter: str = "input",
    priority: int | None = None,
    client: str = "",
) -> Embedded:
    """The vectors of texts or token-id prompts, computed side by side with whatever else the engine does.

    ``dimensions`` keeps the first of each vector, scaled to length 1 again. With ``truncate`` an input loses its end
    where it has more than ``max_tokens`` or than the context; without, one that is too long is a `ContextOverflow` that
    blames ``parameter``. Raises `InvalidRequest` for an input without tokens and for dimensions that the model does not
    have.
    """
    if not 0 < len(inputs) <= MAX_INPUTS:
        raise InvalidRequest(f"{parameter} holds {len(inputs)} inputs; send 1 to {MAX_INPUTS} at once.", parameter)
    _check_dimensions(model, dimensions)
    limit = min(max_tokens or model.max_model_len, model.max_model_len) if truncate else None
    prompts, truncated = await service.in_thread(partial(_prompts, model, inputs, limit, parameter))
    style = model.text.embedding
    requests = [
        new_request(
            model, prompt, SamplingParams(max_tokens=1), pooling=style.pooling, priority=priority, client=client
        )
        for prompt in prompts
    ]
    outputs = await run_all(model, requests)
    service.count_usage(model.name, prompt_tokens=sum(map(len, prompts)))
    vectors = np.stack([np.frombuffer(output.embedding or b"", np.float32) for output in outputs])
    return Embedded(unit_vectors(vectors[:, :dimensions]), sum(map(len, prompts)), truncated)


def unit_vectors(vectors: FloatArray) -> FloatArray:
    """Each row scaled to length 1; a row of zeros stays."""
    wide = vectors.astype(np.float64)
    lengths = np.sqrt(np.square(wide).sum(axis=1, keepdims=True))
    unit: FloatArray = (wide / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)
    return unit


def new_request(
    model: ServedModel,
    prompt: list[int],
    params: SamplingParams,
    *,
    pooling: Pooling | None = None,
    priority: int | None,
    client: str,
) -> AddRequest:
    """A request to the engine that is done when its prompt is read."""
    return AddRequest(
        request_id=uuid.uuid4().hex,
        prompt_token_ids=prompt,
        params=params,
        stop_token_ids=[],
        arrival=time.monotonic(),
        priority=priority or 0,
        client=client,
        adapter=model.adapter or "",
        pooling=pooling,
    )


async def run_all(model: ServedModel, requests: Sequence[AddRequest]) -> list[RequestOutput]:
    """The last output of each request, in their order. Cancelling this aborts what still runs.

    What an engine had not done when it died, another one does where the model has several.
    """
    outputs: dict[str, RequestOutput] = {}
    for start in range(0, len(requests), _IN_FLIGHT):
        missing = requests[start : start + _IN_FLIGHT]
        for is_last in (len(model.client.states) == 1, True):
            try:
                await _run_some(model, missing, outputs)
                break
            except EngineDied:
                if is_last or "ready" not in model.client.states:
                    raise
            missing = [request for request in missing if request.request_id not in outputs]
    return [outputs[request.request_id] for request in requests]


async def _run_some(model: ServedModel, requests: Sequence[AddRequest], outputs: dict[str, RequestOutput]) -> None:
    """Put the last output of each request into ``outputs``."""
    async with model.client.submit(*requests) as stream:
        async for output in stream:
            for sequence in output.sequences:
                if sequence.finish_reason is not None:
                    model.metrics.count_finished(sequence.finish_reason)
            if output.timings is not None:
                model.metrics.observe_timings(output.timings)
            if output.finished:
                outputs[output.request_id] = output


# -- details -----------------------------------------------------------------------------------------


def _check_dimensions(model: ServedModel, dimensions: int | None) -> None:
    style = model.text.embedding
    if dimensions is None or dimensions == style.size:
        return
    if not style.trained:
        raise InvalidRequest(
            f"{model.name} was not trained for vectors of fewer dimensions than its {style.size}; leave dimensions "
            "out, or serve an embedding model such as qwen3-embedding:0.6b.",
            "dimensions",
        )
    if dimensions > style.size:
        raise InvalidRequest(
            f"dimensions is {dimensions}; the vectors of {model.name} have {style.size}.", "dimensions"
        )


def _prompts(
    model: ServedModel, inputs: Sequence[str | Sequence[int]], limit: int | None, parameter: str
) -> tuple[list[list[int]], int]:
    """Token ids of each input, and how many were cut off to keep to ``limit``."""
    tokenizer, style = model.text.tokenizer, model.text.embedding
    prompts, truncated = [], 0
    for index, given in enumerate(inputs):
        if isinstance(given, str):
            whole = style.ended(tokenizer.encode(given, parse_special=True)) if given else []
            prompt = style.ended(whole, limit)
        else:
            check_token_ids(given, tokenizer, parameter)
            whole = list(given)
            prompt = whole[:limit]
        if not whole:
            which = f"{parameter}[{index}]" if len(inputs) > 1 else parameter
            raise InvalidRequest(f"{which} is empty; send a text.", parameter)
        if len(prompt) > model.max_model_len:
            error = ContextOverflow(len(prompt), model.max_model_len)
            error.parameter = parameter
            raise error
        truncated += len(whole) - len(prompt)
        prompts.append(prompt)
    return prompts, truncated
