"""From the Responses API's items to a chat's messages: what was said, called and brought back, in order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from sevenb.errors import InvalidRequest

Item = Mapping[str, Any]
Message = dict[str, Any]

_ROLES = ("user", "assistant", "system", "developer")
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


def check_items(items: Sequence[Item], find: Callable[[str], Item | None]) -> list[Item]:
    """The items of a request's ``input``, each of a kind that is known, references replaced by what they mean.

    ``find`` looks up a stored item by its id. Raises `InvalidRequest` that names the item at fault.
    """
    checked: list[Item] = []
    for i, item in enumerate(items):
        where = f"input[{i}]"
        if item.get("type") == "item_reference" or (item.keys() == {"id"} and isinstance(item["id"], str)):
            item_id = _text_field(item, "id", where)
            if (found := find(item_id)) is None:
                raise InvalidRequest(f"{where} refers to {item_id!r:.80}, which is not stored; send it whole.", where)
            item = found
        _messages_of(item, where)
        checked.append(item)
    return checked


def messages_from(items: Iterable[Item], instructions: str | None) -> list[Message]:
    """The chat that checked items tell; a model's words and calls in a row are one message."""
    messages: list[Message] = [] if instructions is None else [{"role": "system", "content": instructions}]
    for item in items:
        for message in _messages_of(item, "input"):
            last = messages[-1] if messages else None
            if last is not None and "tool_calls" in message and last["role"] == "assistant":
                last["tool_calls"] = [*last.get("tool_calls", ()), *message["tool_calls"]]
            else:
                messages.append(message)
    return messages


def _messages_of(item: Item, where: str) -> list[Message]:
    """An item as messages: one, or none for what the model need not read."""
    kind = item.get("type", "message")
    if kind == "message":
        role = item.get("role")
        if role not in _ROLES:
            raise InvalidRequest(
                f"{where}.role is {role!r:.40}; it must be one of {', '.join(_ROLES)}.", f"{where}.role"
            )
        return [{"role": role, "content": _content(item.get("content"), f"{where}.content")}]
    if kind == "function_call":
        arguments = _text_field(item, "arguments", where)
        function = {"name": _text_field(item, "name", where), "arguments": arguments}
        call = {"id": _text_field(item, "call_id", where), "type": "function", "function": function}
        return [{"role": "assistant", "content": None, "tool_calls": [call]}]
    if kind == "function_call_output":
        content = _content(item.get("output"), f"{where}.output")
        return [{"role": "tool", "tool_call_id": _text_field(item, "call_id", where), "content": content}]
    if kind == "reasoning":
        return []
    raise InvalidRequest(
        f"{where}.type is {kind!r:.60}; the models here read items of the types message, function_call, "
        "function_call_output and reasoning.",
        f"{where}.type",
    )


def _text_field(item: Item, name: str, where: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{where}.{name} is not a string; send one.", f"{where}.{name}")
    return value


def _content(content: Any, where: str) -> str:
    """Text, or parts of text as lines."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequest(f"{where} is neither a string nor a list of parts; send one of them.", where)
    texts = []
    for i, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if not isinstance(kind, str) or kind not in _TEXTS:
            raise InvalidRequest(
                f"{where}[{i}].type is {kind!r:.40}, but the models here read text only; send 'input_text'.",
                f"{where}[{i}].type",
            )
        texts.append(_text_field(part, _TEXTS[kind], f"{where}[{i}]"))
    return "\n".join(texts)
