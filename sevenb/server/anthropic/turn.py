"""From a request of Anthropic's API to a `ChatTurn`: content blocks become messages in OpenAI's form."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from sevenb.engine.sampling_params import SamplingParams
from sevenb.errors import InvalidRequest
from sevenb.server.anthropic.types import (
    BLOCK_KINDS,
    ContentBlock,
    InputMessage,
    MessagesRequest,
    ToolChoiceBody,
    ToolDefinition,
    TurnRequest,
)
from sevenb.server.chat import ChatTurn
from sevenb.server.errors import invalid_request_from
from sevenb.server.recommended import left_out
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.tools import Tool, ToolChoice

logger = logging.getLogger(__name__)

# Claude Code puts a line about its build into the system prompt that differs from request to request: no words for the
# model, and fatal to any prefix cache.
_CLIENT_NOTE = "x-anthropic-billing-header:"

_CHOICES: Mapping[str, Literal["auto", "required", "named", "none"]] = {
    "auto": "auto",
    "any": "required",
    "tool": "named",
    "none": "none",
}
_BLOCKS = TypeAdapter(list[ContentBlock])


def chat_turn(body: TurnRequest, *, client: str = "") -> ChatTurn:
    """The turn that a request asks for. Raises `InvalidRequest`, which names the field at fault.

    One that only counts tokens has no sampling parameters of its own and gets the default ones.
    """
    if unknown := sorted(body.model_extra or ()):
        logger.debug("Ignored unknown parameters: %s", ", ".join(unknown))
    messages = _messages(body)
    output = _output_format(body)
    goes_on = messages[-1]["role"] == "assistant"
    if goes_on and messages[-1].get("tool_calls"):
        raise InvalidRequest(
            f"{_last(body)} calls a tool; send its result as a tool_result block in a user message.", _last(body)
        )
    if goes_on and output is not None:
        raise InvalidRequest(
            f"{_last(body)} is the beginning of an answer, which an output format leaves no room for; "
            "end with a user message.",
            _last(body),
        )
    return ChatTurn(
        messages=messages,
        params=_sampling_params(body) if isinstance(body, MessagesRequest) else SamplingParams(),
        left_out=left_out(body),
        tools=tuple(_tool(tool, f"tools[{i}]") for i, tool in enumerate(body.tools or ())),
        tool_choice=_tool_choice(body.tool_choice),
        output=output,
        continue_final_message=goes_on,
        template_kwargs={"enable_thinking": False},  # Qwen3's: its thoughts would stand in the text
        client=client,
        call_id_prefix="toolu_",
    )


def _last(body: TurnRequest) -> str:
    return f"messages[{len(body.messages) - 1}]"


def _sampling_params(body: MessagesRequest) -> SamplingParams:
    given = {"temperature": body.temperature, "top_p": body.top_p, "top_k": body.top_k, "stop": body.stop_sequences}
    fields = {name: value for name, value in given.items() if value is not None}
    # The engine always makes a token; with 0 nobody gets to see it.
    return SamplingParams.from_fields({**fields, "max_tokens": max(1, body.max_tokens)})


def _output_format(body: TurnRequest) -> OutputFormat | None:
    if body.output_config is not None and body.output_config.format is not None:
        return OutputFormat.from_schema(body.output_config.format.schema_, "output_config.format.schema")
    if body.output_format is not None:
        return OutputFormat.from_schema(body.output_format.schema_, "output_format.schema")
    return None


# -- tools -----------------------------------------------------------------------------------------------


def _tool(tool: ToolDefinition, path: str) -> Tool:
    if tool.type not in (None, "custom"):
        raise InvalidRequest(
            f"{path} is of type {tool.type!r:.60}, which Anthropic runs or its models know by heart; "
            "describe a tool of your own with name, description and input_schema.",
            f"{path}.type",
        )
    if tool.input_schema is None:
        raise InvalidRequest(
            f'{path}.input_schema: this field is required; {{"type": "object"}} stands for no arguments.',
            f"{path}.input_schema",
        )
    return Tool(tool.name, tool.description, tool.input_schema, bool(tool.strict), f"{path}.input_schema")


def _tool_choice(choice: ToolChoiceBody | None) -> ToolChoice:
    if choice is None:
        return ToolChoice()
    if (choice.type == "tool") != (choice.name is not None):
        raise InvalidRequest(
            "tool_choice.name goes with the type 'tool', and that type needs it.",
            "tool_choice.name",
        )
    return ToolChoice(_CHOICES[choice.type], choice.name, parallel=not choice.disable_parallel_tool_use)


# -- messages --------------------------------------------------------------------------------------------


def _messages(body: TurnRequest) -> list[dict[str, Any]]:
    """All turns in OpenAI's form, neighbours of one role joined, an empty last one of the assistant left out."""
    messages: list[dict[str, Any]] = []
    if body.system is not None and (text := _system_text(body.system)):
        messages.append({"role": "system", "content": text})
    names: dict[str, str] = {}  # tool_use id -> the tool's name, which some templates write with a result
    for i, message in enumerate(body.messages):
        for plain in _plain(message, f"messages[{i}]", names, is_last=i + 1 == len(body.messages)):
            _append(messages, plain)
    if not any(message["role"] != "system" for message in messages):
        raise InvalidRequest("messages holds no turn to answer; end with a user message.", "messages")
    return messages


def _append(messages: list[dict[str, Any]], message: dict[str, Any]) -> None:
    before = messages[-1] if messages else {}
    if before.get("role") == message["role"] in ("user", "assistant") and "tool_calls" not in before:
        text = "\n".join(filter(None, (before["content"], message["content"])))
        messages[-1] = {**before, **message, "content": text}
    else:
        messages.append(message)


def _system_text(system: str | Sequence[ContentBlock]) -> str:
    if isinstance(system, str):
        return system
    texts = [_text(block, f"system[{i}]") for i, block in enumerate(system)]
    return "\n".join(text for text in texts if not text.startswith(_CLIENT_NOTE))


def _plain(message: InputMessage, path: str, names: dict[str, str], *, is_last: bool) -> Iterator[dict[str, Any]]:
    whole = isinstance(message.content, str)
    blocks = _BLOCKS.validate_python([{"type": "text", "text": message.content}] if whole else message.content)
    if message.role == "assistant":
        made = _assistant(blocks, path, names)
        if made["content"] or "tool_calls" in made:
            yield made
        elif not is_last:
            raise _empty(path)
        return
    texts: list[str] = []
    for i, block in enumerate(blocks):
        where = path if whole else f"{path}.content[{i}]"
        if block.type != "tool_result":
            texts.append(_text(block, where))
            continue
        if any(texts):
            yield {"role": message.role, "content": "\n".join(texts)}
        texts = []
        yield _result(block, where, names)
    if any(texts):
        yield {"role": message.role, "content": "\n".join(texts)}
    elif texts or not blocks:
        raise _empty(path)


def _empty(path: str) -> InvalidRequest:
    return InvalidRequest(f"{path} has no content; write some text or leave the message out.", f"{path}.content")


def _assistant(blocks: Sequence[ContentBlock], path: str, names: dict[str, str]) -> dict[str, Any]:
    """An earlier answer: its text and its calls. What it thought is not shown to it again."""
    texts, calls = [], []
    for i, block in enumerate(blocks):
        if block.type in ("thinking", "redacted_thinking"):
            continue
        if block.type != "tool_use":
            texts.append(_text(block, f"{path}.content[{i}]"))
            continue
        if not block.id or not block.name or block.input is None:
            where = f"{path}.content[{i}]"
            raise InvalidRequest(f"{where}: a tool_use block needs an id, a name and an input.", where)
        names[block.id] = block.name
        arguments = json.dumps(block.input, ensure_ascii=False)
        calls.append({"id": block.id, "type": "function", "function": {"name": block.name, "arguments": arguments}})
    message: dict[str, Any] = {"role": "assistant", "content": "\n".join(texts)}
    return {**message, "tool_calls": calls} if calls else message


def _result(block: ContentBlock, path: str, names: Mapping[str, str]) -> dict[str, Any]:
    if not block.tool_use_id:
        raise InvalidRequest(
            f"{path}.tool_use_id: this field is required; it names the call that the result answers.",
            f"{path}.tool_use_id",
        )
    message = {"role": "tool", "tool_call_id": block.tool_use_id, "content": _nested_text(block.content, path)}
    if name := names.get(block.tool_use_id):
        message["name"] = name
    return message


def _text(block: ContentBlock, path: str, *, nested: bool = False) -> str:
    """What the model reads of a block. Raises `InvalidRequest` for one that is not text, or is nested too deeply."""
    if block.type == "text":
        if block.text is None:
            raise InvalidRequest(f"{path}.text: this field is required in a text block.", f"{path}.text")
        return block.text
    if block.type == "document":
        return _titled(block, _document_text(block.source, f"{path}.source", nested=nested))
    if block.type == "search_result":
        return _titled(block, _nested_text(block.content, path, nested=nested))
    if block.type in BLOCK_KINDS:
        raise InvalidRequest(f"{path} is a {block.type} block, which does not belong here; move it.", f"{path}.type")
    raise InvalidRequest(
        f"{path} is of type {block.type!r:.60}, but the models here read only text; send it as a text block.",
        f"{path}.type",
    )


def _titled(block: ContentBlock, text: str) -> str:
    return f"{block.title}\n{text}" if block.title else text


def _document_text(source: Any, path: str, *, nested: bool) -> str:
    kind = source.get("type") if isinstance(source, dict) else None
    if kind == "text" and isinstance(source.get("data"), str):
        return str(source["data"])
    if kind == "content":
        return _nested_text(source.get("content"), path, nested=nested)
    raise InvalidRequest(
        f"{path}: the models here read only documents of type 'text' or 'content'; send the document's text.", path
    )


def _nested_text(content: Any, path: str, *, nested: bool = False) -> str:
    """The text of a block's own content: nothing, a string or blocks. A block ``nested`` in it holds no blocks more."""
    if content is None or isinstance(content, str):
        return content or ""
    try:
        blocks = _BLOCKS.validate_python(content)
    except ValidationError as error:
        inner = invalid_request_from([{**e, "loc": ("body", "content", *e["loc"])} for e in error.errors()])
        raise InvalidRequest(f"{path}.{inner}", f"{path}.{inner.parameter}") from None
    if nested and any(block.type != "text" for block in blocks):
        raise InvalidRequest(f"{path}.content holds blocks in blocks in blocks; send text blocks there.", path)
    return "\n".join(_text(block, f"{path}.content[{i}]", nested=True) for i, block in enumerate(blocks))
