"""From a request of Ollama's API to a `ChatTurn`: its options, messages and tools in the words of the rest."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.server.chat import ChatTurn
from sevenb.server.ollama.types import Call, ChatMessage, ChatRequest, GenerateRequest, Options
from sevenb.server.recommended import left_out
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool, tools_from_openai

logger = logging.getLogger(__name__)

_NO_OPTIONS = Options.model_validate({})

# Ollama's api.DefaultOptions, which count where neither the request nor the model says anything: a model's recommended
# parameters go before them, as those of a Modelfile do. Its repeat_penalty of 1.1 is left out: there it looks back over
# 64 tokens, and ours sees all of prompt and answer, where that much would spoil code and JSON.
_DEFAULTS: Mapping[str, Any] = {"temperature": 0.8, "top_k": 40, "top_p": 0.9}


def chat_turn(body: ChatRequest, *, client: str = "") -> ChatTurn:
    """The turn that a chat request asks for. Raises `InvalidRequest`, which names the field at fault.

    A last message of the assistant is gone on with, as Ollama's templates do it.
    """
    messages = _messages(body.messages or ())
    last = messages[-1] if messages else {}
    return ChatTurn(
        messages=messages,
        continue_final_message=last.get("role") == "assistant" and bool(last["content"]) and "tool_calls" not in last,
        params=sampling_params(body),
        left_out=options_left_out(body),
        tools=_tools(body.tools),
        output=OutputFormat.from_ollama(body.format),
        drop_oldest=body.truncate is True,
        template_kwargs=thinking(body.think),
        client=client,
    )


def thinking(think: bool | str | None) -> dict[str, Any]:
    """What templates of models that can think want to know."""
    return {} if think is None else {"enable_thinking": think is True or bool(think)}


def sampling_params(body: ChatRequest | GenerateRequest) -> SamplingParams:
    """The request's options as `SamplingParams`; what was left out takes Ollama's default."""
    options = body.options or _NO_OPTIONS
    unknown = sorted({*(body.model_extra or ()), *(f"options.{name}" for name in options.model_extra or ())})
    if unknown:
        logger.debug("Ignored unknown parameters: %s", ", ".join(unknown))
    if body.top_logprobs and not body.logprobs:
        raise InvalidRequest("top_logprobs needs logprobs: true.", "top_logprobs")
    given = {
        "temperature": options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
        "min_p": options.min_p,
        "seed": None if options.seed == -1 else options.seed,
        "stop": [options.stop] if isinstance(options.stop, str) else options.stop,
        "repetition_penalty": None if options.repeat_last_n == 0 else options.repeat_penalty,
        "presence_penalty": options.presence_penalty,
        "frequency_penalty": options.frequency_penalty,
        "logprobs": (body.top_logprobs or 0) if body.logprobs else None,
    }
    fields = {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    max_tokens = options.num_predict if options.num_predict is not None and options.num_predict > 0 else None
    return SamplingParams.from_fields({**fields, "max_tokens": max_tokens})


def options_left_out(body: ChatRequest | GenerateRequest) -> frozenset[str]:
    """The options that were not sent: there what a model recommends goes before `_DEFAULTS`."""
    options = body.options or _NO_OPTIONS
    penalized = options.repeat_penalty is not None or options.repeat_last_n == 0
    return left_out(options) - ({"repetition_penalty"} if penalized else set())


# -- messages --------------------------------------------------------------------------------------------


def _messages(messages: Sequence[ChatMessage]) -> list[dict[str, Any]]:
    """The chat in OpenAI's form. Calls and their results are joined by order, where the client gave no ids."""
    plain: list[dict[str, Any]] = []
    open_ids: list[str] = []  # of calls that have had no result yet
    for i, message in enumerate(messages):
        turn: dict[str, Any] = {"role": message.role, "content": message.content or ""}
        if message.tool_calls:
            turn["tool_calls"] = [
                _call(call, call.id or f"call_{i}_{number}") for number, call in enumerate(message.tool_calls)
            ]
            open_ids = [call["id"] for call in turn["tool_calls"]]
        if message.role == "tool":
            turn["tool_call_id"] = message.tool_call_id or (open_ids.pop(0) if open_ids else f"call_{i}")
            if message.tool_name:
                turn["name"] = message.tool_name
        plain.append(turn)
    return plain


def _call(call: Call, id: str) -> dict[str, Any]:
    arguments = call.function.arguments
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return {"id": id, "type": "function", "function": {"name": call.function.name, "arguments": text}}


# -- tools -----------------------------------------------------------------------------------------------


def _tools(tools: Sequence[dict[str, Any]] | None) -> tuple[Tool, ...]:
    return tools_from_openai([_with_plain_types(tool) for tool in tools or ()])


def _with_plain_types(tool: dict[str, Any]) -> dict[str, Any]:
    """The tool with the types of its parameters as JSON Schema has them.

    Ollama's Python package describes a parameter of type ``int | str`` as ``"type": "integer, string"``.
    """
    function = tool.get("function")
    parameters = function.get("parameters") if isinstance(function, dict) else None
    properties = parameters.get("properties") if isinstance(parameters, dict) else None
    if not isinstance(function, dict) or not isinstance(parameters, dict) or not isinstance(properties, dict):
        return tool
    plain = {name: _with_plain_type(schema) for name, schema in properties.items()}
    return {**tool, "function": {**function, "parameters": {**parameters, "properties": plain}}}


def _with_plain_type(schema: Any) -> Any:
    kind = schema.get("type") if isinstance(schema, dict) else None
    return {**schema, "type": kind.split(", ")} if isinstance(kind, str) and ", " in kind else schema
