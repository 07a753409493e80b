"""From chat messages to the token ids that the model reads, by the model's own template."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from sevenb.errors import InvalidRequest
from sevenb.model.chat_template import ChatTemplate
from sevenb.model.tokenizer import RenderedPrompt
from sevenb.server.service import ModelText
from sevenb.structured.tools.styles import ToolStyle
from sevenb.structured.tools.tools import Tool

SYSTEM_ROLES = ("system", "developer")

_RESERVED = frozenset({"messages", "tools", "add_generation_prompt", "continue_final_message"})
_STYLES: WeakKeyDictionary[ChatTemplate, ToolStyle] = WeakKeyDictionary()


def tool_style(text: ModelText) -> ToolStyle:
    """How a model writes calls, found out once a model."""
    style = _STYLES.get(text.chat_template)
    if style is None:
        style = ToolStyle.detect(text.chat_template.source, text.tokenizer.added_tokens)
        _STYLES[text.chat_template] = style
    return style


def render_chat(
    text: ModelText,
    messages: Sequence[Mapping[str, Any]],
    *,
    tools: Sequence[Tool] = (),
    add_generation_prompt: bool | None = None,
    continue_final_message: bool = False,
    template_kwargs: Mapping[str, Any] | None = None,
) -> list[int]:
    """Token ids of a chat in OpenAI's form. Special tokens typed inside a message are plain text: nobody forges a turn.

    With ``continue_final_message`` the last message is left open for the model to go on with; otherwise an answer is
    begun, unless ``add_generation_prompt`` is False. Raises `InvalidRequest` for what the template cannot take.
    """
    for name in _RESERVED & (template_kwargs or {}).keys():
        raise InvalidRequest(f"chat_template_kwargs cannot set {name}.", "chat_template_kwargs")
    if continue_final_message and add_generation_prompt:
        raise InvalidRequest(
            "continue_final_message and add_generation_prompt exclude each other; set one of them.",
            "continue_final_message",
        )
    plain = [_plain(message) for message in messages]
    template_tools = [tool.template_form() for tool in tools]
    if any(_concerns_tools(message) for message in plain) or tools:
        style = tool_style(text)
        if not style.knows_tools:
            plain = _with_instructions(_spelled_out(plain, style), style.instructions(tools) if tools else "")
            template_tools = []
    prompt = text.chat_template.render(
        plain,
        tools=template_tools,
        add_generation_prompt=not continue_final_message and add_generation_prompt is not False,
        **(template_kwargs or {}),
    )
    if continue_final_message:
        prompt = _left_open(prompt, messages[-1])
    return text.tokenizer.encode_chat(prompt)


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message with what templates know: ``developer`` is OpenAI's newer name of the system's, no arguments are {}."""
    plain = dict(message)
    if plain["role"] == "developer":
        plain["role"] = "system"
    if calls := plain.get("tool_calls"):
        plain["tool_calls"] = [{**call, "function": _with_arguments(call["function"])} for call in calls]
    return plain


def _with_arguments(function: Mapping[str, Any]) -> dict[str, Any]:
    return {**function, "arguments": function.get("arguments") or {}}


# -- tools for a template that does not know them --------------------------------------------------------


def _concerns_tools(message: Mapping[str, Any]) -> bool:
    return message["role"] == "tool" or bool(message.get("tool_calls"))


def _spelled_out(messages: Sequence[Mapping[str, Any]], style: ToolStyle) -> list[dict[str, Any]]:
    """Calls and their results as text, the calls in the form that `ToolStyle.instructions` teaches."""
    plain: list[dict[str, Any]] = []
    for message in messages:
        content = _text(message)
        if message["role"] == "tool":
            plain.append({"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"})
        elif calls := message.get("tool_calls"):
            written = [_written(call["function"], style) for call in calls]
            plain.append({"role": message["role"], "content": "\n".join(filter(None, [content, *written]))})
        else:
            plain.append(dict(message))
    return plain


def _written(function: Mapping[str, Any], style: ToolStyle) -> str:
    """A call as the model is told to write it. Clients send its arguments as JSON text or as they are."""
    arguments, notation = function["arguments"], style.notation
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    name = json.dumps(function["name"], ensure_ascii=False)
    marker = notation.marker if notation.marks_always else ""
    return f'{marker}{notation.head}{{"name": {name}, "{notation.key}": {arguments}}}{notation.after}'


def _with_instructions(messages: Sequence[dict[str, Any]], instructions: str) -> list[dict[str, Any]]:
    """The messages with a first system turn that ends with ``instructions``."""
    if not instructions:
        return list(messages)
    if messages and messages[0]["role"] == "system":
        first, *rest = messages
        return [{**first, "content": f"{_text(first)}\n\n{instructions}"}, *rest]
    return [{"role": "system", "content": instructions}, *messages]


# -- a last message to go on with ------------------------------------------------------------------------


def _text(message: Mapping[str, Any]) -> str:
    """A message's content as the template will show it: text parts are lines."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _left_open(prompt: RenderedPrompt, message: Mapping[str, Any]) -> RenderedPrompt:
    """The prompt up to the end of its last message's own text."""
    content = _text(message).strip()
    for position, piece in reversed(list(enumerate(prompt.pieces))):
        if content and isinstance(piece, str) and content in piece:
            end = piece.rindex(content) + len(content)
            return RenderedPrompt(
                text=prompt.text[: prompt.text.rindex(content) + len(content)],
                pieces=(*prompt.pieces[:position], piece[:end]),
            )
    raise InvalidRequest(
        "continue_final_message needs a last message with text that the model's template keeps as it is.",
        "continue_final_message",
    )
