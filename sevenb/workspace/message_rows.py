"""Rows of messages: checked on their way in, records on their way out, and the tree that they make."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Column, Connection, delete, select

from sevenb.errors import InvalidRequest
from sevenb.workspace import schema
from sevenb.workspace.records import Attachment, Message, NewMessage, ToolCall
from sevenb.workspace.values import clean

MAX_CONTENT = 4_000_000  # characters of a message, its attachments included
MAX_PARTS = 200  # attachments or tool calls of a message

_messages = schema.messages.c
message_fields: tuple[Column[Any], ...] = (
    _messages.id,
    _messages.parent_id,
    _messages.role,
    _messages.content,
    _messages.attachments,
    _messages.tool_calls,
    _messages.tool_call_id,
    _messages.model,
    _messages.status,
    _messages.finish_reason,
    _messages.error,
    _messages.figures,
    _messages.valid,
    _messages.created_at,
)


def messages_of(connection: Connection, chat_id: str) -> list[Message]:
    """All messages of a chat, oldest first."""
    query = select(*message_fields).where(_messages.chat_id == chat_id).order_by(_messages.number)
    return [Message(*row) for row in connection.execute(query).all()]


def message_row(message: NewMessage, message_id: str, parent_id: str | None, created_at: float) -> Message:
    """A new message as it is kept; InvalidRequest where it is too large."""
    changes = checked(
        {"content": message.content, "attachments": message.attachments, "tool_calls": message.tool_calls}
    )
    return Message(
        id=message_id,
        parent_id=parent_id,
        role=message.role,
        content=changes["content"],
        attachments=changes["attachments"],
        tool_calls=changes["tool_calls"],
        tool_call_id=None if message.tool_call_id is None else clean(message.tool_call_id)[:200],
        model=None if message.model is None else clean(message.model)[:500],
        status=message.status,
        finish_reason=message.finish_reason,
        error=message.error,
        figures=message.figures,
        valid=message.valid,
        created_at=created_at,
    )


def checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same fields of a message, fit for the database; InvalidRequest where they are too large."""
    values = dict(changes)
    size = 0
    if "content" in values:
        values["content"] = clean(values["content"])
        size += len(values["content"])
    if "attachments" in values:
        values["attachments"] = tuple(Attachment(clean(a.name)[:255], clean(a.text)) for a in values["attachments"])
        size += sum(len(attachment.text) for attachment in values["attachments"])
    if "tool_calls" in values:
        calls = (ToolCall(clean(call.id), clean(call.name), clean(call.arguments)) for call in values["tool_calls"])
        values["tool_calls"] = tuple(calls)
        size += sum(len(call.arguments) for call in values["tool_calls"])
    if size > MAX_CONTENT:
        raise InvalidRequest(f"A message has {size} characters; at most {MAX_CONTENT} can be kept.", "content")
    if max(len(values.get("attachments", ())), len(values.get("tool_calls", ()))) > MAX_PARTS:
        raise InvalidRequest(
            f"A message has at most {MAX_PARTS} attachments and {MAX_PARTS} tool calls.", "attachments"
        )
    return values


def insert_messages(
    connection: Connection, chat_id: str, messages: Iterable[Message], server_id: str | None = None
) -> None:
    """Keep these messages in this order. ``server_id``: who writes those that are running."""
    names = [field.name for field in message_fields]
    rows = [
        {
            "chat_id": chat_id,
            "server_id": server_id if message.status == "running" else None,
            **{name: getattr(message, name) for name in names},
        }
        for message in messages
    ]
    connection.execute(schema.messages.insert(), rows)


def searchable(content: str, attachments: Iterable[Attachment]) -> str:
    """What a message is found by: the names of its attachments, and its text."""
    return "\n".join([*(attachment.name for attachment in attachments), content])


# -- the tree ----------------------------------------------------------------------------------------


def delete_branch(connection: Connection, chat_id: str, message_id: str, leaf_id: str | None) -> str | None:
    """Delete a message and all that follow it; returns the chat's leaf after that."""
    query = select(_messages.id, _messages.parent_id).where(_messages.chat_id == chat_id).order_by(_messages.number)
    parents: dict[str, str | None] = {row.id: row.parent_id for row in connection.execute(query)}
    children: dict[str | None, list[str]] = {}
    for child, parent in parents.items():
        children.setdefault(parent, []).append(child)
    doomed = {message_id}
    open_ends = [message_id]
    while open_ends:
        below = children.get(open_ends.pop(), [])
        doomed.update(below)
        open_ends += below
    for some in _in_parts(list(doomed)):
        connection.execute(delete(schema.messages).where(_messages.id.in_(some)))
    if leaf_id is not None and leaf_id not in doomed:
        return leaf_id
    return _newest_leaf(children, doomed, parents[message_id])


def _newest_leaf(children: Mapping[str | None, list[str]], doomed: set[str], start: str | None) -> str | None:
    """The end of the newest branch through ``start``."""
    leaf = start
    while remaining := [child for child in children.get(leaf, []) if child not in doomed]:
        leaf = remaining[-1]
    return leaf


def _in_parts(ids: Sequence[str], size: int = 500) -> Iterable[Sequence[str]]:
    """Few enough at a time for one statement."""
    return (ids[begin : begin + size] for begin in range(0, len(ids), size))
