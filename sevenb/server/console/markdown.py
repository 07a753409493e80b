"""A chat as a Markdown text that people read."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from sevenb.server.console.running.prompt import branch, fenced
from sevenb.workspace.records import Chat, Message

_LINE_BREAKS = re.compile(r"\s+")


def chat_as_markdown(chat: Chat) -> str:
    """The branch that is shown: one heading a message, files and tool calls in fences."""
    messages = branch(chat.messages, chat.leaf_id)
    made = datetime.fromtimestamp(chat.created_at, UTC)
    head = [f"# {_line(chat.title) or 'Chat'}", f"{made:%Y-%m-%d %H:%M} UTC"]
    system = chat.settings.get("system")
    if isinstance(system, str) and system.strip():
        head += ["## System", system.strip()]
    return "\n\n".join([*head, *(part for message in messages for part in _parts(message))]) + "\n"


def _parts(message: Message) -> Sequence[str]:
    parts = [f"## {_heading(message)}"]
    for attachment in message.attachments:
        parts += [f"**{_line(attachment.name)}**", fenced(attachment.text)]
    if message.content.strip():
        parts.append(message.content.strip() if message.role != "tool" else fenced(message.content))
    for call in message.tool_calls:
        parts += [f"**{_line(call.name)}**", fenced(call.arguments, "json")]
    if message.error is not None:
        parts.append(f"*{_line(message.error.message)}*")
    return parts


def _heading(message: Message) -> str:
    match message.role:
        case "user":
            return "User"
        case "tool":
            return "Tool"
        case "assistant":
            return f"Assistant ({_line(message.model)})" if message.model else "Assistant"


def _line(text: str) -> str:
    return _LINE_BREAKS.sub(" ", text).strip()
