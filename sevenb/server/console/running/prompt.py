"""From the branch of a chat that is to be answered to messages as models take them."""

import json
import re
from collections.abc import Sequence
from typing import Any

from sevenb.errors import NotFound
from sevenb.workspace.records import Attachment, Message, NewMessage

_BACKTICKS = re.compile("`+")
_BREAKS = re.compile(r"[\x00-\x1f\x7f\u2028\u2029\"]+")


def branch(messages: Sequence[Message], leaf_id: str | None) -> list[Message]:
    """The messages from the first to ``leaf_id``. Raises `NotFound` where the chat has no such message."""
    by_id = {message.id: message for message in messages}
    path: list[Message] = []
    while leaf_id is not None:
        message = by_id.pop(leaf_id, None)
        if message is None:
            raise NotFound("This chat has no such message; load the page again.")
        path.append(message)
        leaf_id = message.parent_id
    return path[::-1]


def prompt_messages(system: str, path: Sequence[Message | NewMessage]) -> list[dict[str, Any]]:
    """A branch in OpenAI's form, without what no template takes: empty answers, and calls that were cut off."""
    prompt: list[dict[str, Any]] = [{"role": "system", "content": system}] if system.strip() else []
    broken: set[str | None] = set()  # ids of calls that were cut off
    for message in path:
        match message.role:
            case "user":
                content = with_attachments(message.content, message.attachments)
                if prompt and prompt[-1]["role"] == "user":  # the answer between was empty; templates want turns
                    prompt[-1]["content"] += f"\n\n{content}"
                else:
                    prompt.append({"role": "user", "content": content})
            case "assistant":
                broken.update(call.id for call in message.tool_calls if not _is_object(call.arguments))
                calls = [_call(call) for call in message.tool_calls if call.id not in broken]
                if calls:
                    prompt.append({"role": "assistant", "content": message.content, "tool_calls": calls})
                elif message.content.strip():
                    prompt.append({"role": "assistant", "content": message.content})
            case "tool":
                if message.tool_call_id not in broken:
                    content = message.content
                    prompt.append({"role": "tool", "tool_call_id": message.tool_call_id, "content": content})
    return prompt


def with_attachments(text: str, attachments: Sequence[Attachment]) -> str:
    """A text with its files before it, each named and in a fence."""
    files = [f'File "{_BREAKS.sub(" ", one.name).strip() or "file"}":\n{fenced(one.text)}' for one in attachments]
    return "\n\n".join([*files, *([text] if text else [])])


def fenced(text: str, language: str = "") -> str:
    """A text in a fence that nothing in it can close."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.removesuffix(chr(10))}\n{fence}"


def _call(call: Any) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text or "{}"), dict)
    except (ValueError, RecursionError):
        return False
