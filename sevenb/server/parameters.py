"""From a request's parameters to `SamplingParams`: what is honoured, what is refused, what is only noted in the log."""

import logging
from collections.abc import Callable
from typing import Any

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.server.openai_types import GenerationRequest

logger = logging.getLogger(__name__)


def _is_unset(value: Any) -> bool:
    return value in (None, False, [], {}, "")


def _is_text(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and value.get("type") == "text")


# Parameters of OpenAI's and vLLM's APIs that would change the answer and are not supported yet. A value that asks for
# nothing is let pass: many clients send it always.
_UNSUPPORTED: dict[str, Callable[[Any], bool]] = {
    "tools": _is_unset,
    "tool_choice": lambda value: value in (None, "none", "auto"),
    "functions": _is_unset,
    "function_call": lambda value: value in (None, "none", "auto"),
    "response_format": _is_text,
    "structured_outputs": _is_unset,
    "guided_json": _is_unset,
    "guided_regex": _is_unset,
    "guided_choice": _is_unset,
    "guided_grammar": _is_unset,
    "modalities": lambda value: value in (None, ["text"]),
    "audio": _is_unset,
    "web_search_options": lambda value: value is None,
    "use_beam_search": _is_unset,
    "bad_words": _is_unset,
    "prompt_logprobs": lambda value: value is None,
    "truncate_prompt_tokens": lambda value: value is None,
    "suffix": _is_unset,
}


def refuse_unsupported(body: GenerationRequest) -> None:
    """Raise `InvalidRequest` for a parameter that is not supported yet; note unknown ones in the log, at debug."""
    unknown = []
    for name, value in (body.model_extra or {}).items():
        asks_for_nothing = _UNSUPPORTED.get(name)
        if asks_for_nothing is None:
            unknown.append(name)
        elif not asks_for_nothing(value):
            raise InvalidRequest(f"{name} is not supported yet; leave it out of the request.", name)
    if unknown:
        logger.debug("Ignored unknown parameters: %s", ", ".join(sorted(unknown)))


def sampling_params(
    body: GenerationRequest, *, max_tokens: int | None, logprobs: int | None = None, prompt_logprobs: int | None = None
) -> SamplingParams:
    """The request's `SamplingParams`; what was left out takes OpenAI's default."""
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("stream_options goes with stream: true only.", "stream_options")
    given = {
        "n": body.n,
        "temperature": body.temperature,
        "top_p": body.top_p,
        "top_k": body.top_k,
        "min_p": body.min_p,
        "min_tokens": body.min_tokens,
        "stop": [body.stop] if isinstance(body.stop, str) else body.stop,
        "stop_token_ids": body.stop_token_ids,
        "include_stop_str_in_output": body.include_stop_str_in_output,
        "ignore_eos": body.ignore_eos,
        "skip_special_tokens": body.skip_special_tokens,
        "presence_penalty": body.presence_penalty,
        "frequency_penalty": body.frequency_penalty,
        "repetition_penalty": body.repetition_penalty,
        "logit_bias": None if body.logit_bias is None else _by_token_id(body.logit_bias),
        "seed": body.seed,
        "speculation": body.speculation,
        "logprobs": logprobs,
        "prompt_logprobs": prompt_logprobs,
    }
    fields = {name: value for name, value in given.items() if value is not None}
    return SamplingParams.from_fields({**fields, "max_tokens": max_tokens})


def _by_token_id(logit_bias: dict[str, float]) -> dict[int, float]:
    for name in logit_bias:
        if not (name.isascii() and name.isdigit() and len(name) < 10):
            raise InvalidRequest(f"logit_bias has the key {name!r:.40}; its keys are token ids.", "logit_bias")
    return {int(name): bias for name, bias in logit_bias.items()}
