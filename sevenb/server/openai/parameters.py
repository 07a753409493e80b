"""From the parameters of OpenAI's requests to what the engine is asked: some are refused, some only logged."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, cast

from pydantic import BaseModel

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.server.bodies import RequestBody
from sevenb.server.openai.types import GenerationRequest, SamplingFields
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool, ToolChoice, tools_from_openai

logger = logging.getLogger(__name__)


def _is_unset(value: Any) -> bool:
    return value in (None, False, [], {}, "")


_SEND_TOOLS = "send tools and tool_choice instead"
_LEAVE_OUT = "leave it out of the request"

# Parameters of OpenAI's and vLLM's APIs that would change the answer and are not supported: which values ask for
# nothing and are let pass, as many clients send them always, and what to do instead of others.
_UNSUPPORTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "functions": (_is_unset, _SEND_TOOLS),
    "function_call": (lambda value: value in (None, "none", "auto"), _SEND_TOOLS),
    "modalities": (lambda value: value in (None, ["text"]), "the models here write text only"),
    "audio": (_is_unset, "the models here write text only"),
    "web_search_options": (lambda value: value is None, "this server reaches no other"),
    "grammar": (_is_unset, "send it as structured_outputs.grammar"),
    "json_schema": (_is_unset, "send it as response_format.json_schema or structured_outputs.json"),
    "bad_words": (_is_unset, "send logit_bias instead"),
    "prompt_logprobs": (lambda value: value is None, "/v1/completions tells them with echo and logprobs"),
    "background": (_is_unset, _LEAVE_OUT),
    "conversation": (_is_unset, "send previous_response_id instead"),
    "prompt": (_is_unset, "send instructions and input instead"),
}


def refuse_unsupported(body: RequestBody) -> None:
    """Raise `InvalidRequest` for a parameter that is not supported; note unknown ones in the log, at debug."""
    unknown = []
    for name, value in (body.model_extra or {}).items():
        if name not in _UNSUPPORTED:
            unknown.append(name)
            continue
        asks_for_nothing, advice = _UNSUPPORTED[name]
        if not asks_for_nothing(value):
            raise InvalidRequest(f"{name} is not supported; {advice}.", name)
    if unknown:
        logger.debug("Ignored unknown parameters: %s", ", ".join(sorted(unknown)))


# -- prompts -----------------------------------------------------------------------------------------


def as_list(prompts: str | list[str] | list[int] | list[list[int]]) -> Sequence[str | list[int]]:
    """The prompts of a request that may have sent a single one: text or token ids."""
    if isinstance(prompts, str):
        return [prompts]
    if prompts and isinstance(prompts[0], int):
        return [prompts]  # the first entry tells: these are one prompt's token ids
    return cast(list[str] | list[list[int]], prompts)


# -- sampling ----------------------------------------------------------------------------------------


def sampling_params(
    body: SamplingFields, *, max_tokens: int | None, logprobs: int | None = None, prompt_logprobs: int | None = None
) -> SamplingParams:
    """The request's `SamplingParams`; what was left out takes OpenAI's default."""
    given = {
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
    if isinstance(body, GenerationRequest):
        given |= _candidates(body)
    fields = {name: value for name, value in given.items() if value is not None}
    return SamplingParams.from_fields({**fields, "max_tokens": max_tokens})


def _candidates(body: GenerationRequest) -> dict[str, Any]:
    """How many answers to make and how to choose among them."""
    if body.stream_options is not None and not body.stream:
        raise InvalidRequest("stream_options goes with stream: true only.", "stream_options")
    n, best_of = body.n or 1, body.best_of
    if best_of is not None and best_of < n:
        raise InvalidRequest(f"best_of is {best_of}, less than n, which is {n}; raise it.", "best_of")
    if not body.use_beam_search:
        for name in ("length_penalty", "early_stopping"):
            if getattr(body, name):
                raise InvalidRequest(f"{name} goes with use_beam_search: true only.", name)
        if body.stream and best_of is not None and best_of > n:
            raise InvalidRequest("best_of cannot be streamed: which is best is known at the end.", "best_of")
        return {"n": n, "best_of": best_of}
    if body.stream:
        raise InvalidRequest("use_beam_search cannot be streamed: the best is known at the end.", "use_beam_search")
    penalty = 1.0 if body.length_penalty is None else body.length_penalty
    beam = {"width": best_of or n, "length_penalty": penalty, "early_stopping": bool(body.early_stopping)}
    return {"n": n, "beam": beam}


def _by_token_id(logit_bias: dict[str, float]) -> dict[int, float]:
    for name in logit_bias:
        if not (name.isascii() and name.isdigit() and len(name) < 10):
            raise InvalidRequest(f"logit_bias has the key {name!r:.40}; its keys are token ids.", "logit_bias")
    return {int(name): bias for name, bias in logit_bias.items()}


# -- shape -------------------------------------------------------------------------------------------


def output_format(body: GenerationRequest) -> OutputFormat | None:
    """The shape a request asks for, by whichever of the parameters. Raises `InvalidRequest` where it asks for two."""
    asked = [structured_output(body)]
    if body.response_format is not None:
        asked.append(OutputFormat.from_response_format(given(body.response_format)))
    asked += (_guided(kind, getattr(body, f"guided_{kind}")) for kind in ("json", "regex", "choice", "grammar"))
    return only_one(asked)


def structured_output(body: SamplingFields) -> OutputFormat | None:
    """The shape that vLLM's ``structured_outputs`` asks for."""
    outputs = body.structured_outputs
    if outputs is None:
        return None
    if (outputs.model_extra or {}).get("structural_tag") is not None:
        raise InvalidRequest(
            "structured_outputs.structural_tag is not supported; send tools, or a grammar.",
            "structured_outputs.structural_tag",
        )
    return OutputFormat.from_structured_outputs(given(outputs))


def only_one(asked: Sequence[OutputFormat | None]) -> OutputFormat | None:
    """The one format among those asked for, if there is one."""
    formats = [output for output in asked if output is not None]
    if len(formats) > 1:
        first, second = formats[0].parameter, formats[1].parameter
        raise InvalidRequest(f"{first} and {second} exclude each other; send one of them.", second)
    return formats[0] if formats else None


def _guided(kind: str, value: Any) -> OutputFormat | None:
    output = None if value is None else OutputFormat.from_structured_outputs({kind: value})
    return None if output is None else replace(output, parameter=f"guided_{kind}")


def given(part: BaseModel) -> dict[str, Any]:
    """A part of a request as it was sent."""
    return part.model_dump(exclude_unset=True, by_alias=True)


# -- tools -------------------------------------------------------------------------------------------


def tools_of(tools: Sequence[BaseModel] | None) -> tuple[Tool, ...]:
    """The tools of a request, none where there are none."""
    return tools_from_openai([given(tool) for tool in tools or ()])


def tools_and_choice(
    tools: Sequence[BaseModel] | None, choice: BaseModel | str | None, *, parallel: bool | None
) -> tuple[tuple[Tool, ...], ToolChoice]:
    """What the model may call, and whether it must. Of ``allowed_tools`` only those are left."""
    offered = tools_of(tools)
    value = given(choice) if isinstance(choice, BaseModel) else choice
    if not isinstance(value, dict) or value["type"] != "allowed_tools":
        return offered, ToolChoice.from_openai(value, parallel=parallel)
    allowed = value.get("allowed_tools", value)  # the Responses API has no inner object
    names = [entry.get("function", entry)["name"] for entry in allowed["tools"]]
    for name in names:
        if name not in (tool.name for tool in offered):
            raise InvalidRequest(f"tool_choice allows {name!r:.80}, which is not among the tools.", "tool_choice")
    left = tuple(tool for tool in offered if tool.name in names)
    return left, ToolChoice.from_openai(allowed["mode"], parallel=parallel)
