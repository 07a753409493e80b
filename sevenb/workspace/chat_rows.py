"""Rows of chats: who may see which, and how they become records."""

from typing import Any

from sqlalchemy import Column, Connection, Row, Select, select

from sevenb.errors import NotFound
from sevenb.workspace import schema
from sevenb.workspace.message_rows import messages_of
from sevenb.workspace.records import Chat, ChatSummary
from sevenb.workspace.values import one_line

MAX_TITLE = 200  # characters
MAX_MODEL = 500

_chats = schema.chats.c

summary_fields: tuple[Column[Any], ...] = (
    _chats.id,
    _chats.title,
    _chats.titled,
    _chats.model,
    _chats.pinned,
    _chats.folder_id,
    _chats.created_at,
    _chats.updated_at,
)


# What the history lists: no columns of comparisons, nothing that was deleted.
listed = (_chats.comparison_id.is_(None), _chats.deleted_at.is_(None))


def own_chat(user_id: str, chat_id: str, *fields: Any) -> Select[*tuple[Any, ...]]:
    """Select fields of a chat that is this user's and not deleted."""
    return select(*fields).where(_chats.id == chat_id, _chats.user_id == user_id, _chats.deleted_at.is_(None))


def summary_of(connection: Connection, user_id: str, chat_id: str) -> ChatSummary:
    """A chat's line of the history."""
    return ChatSummary(*_one(connection, own_chat(user_id, chat_id, *summary_fields)))


def lock_chat(connection: Connection, user_id: str, chat_id: str) -> Row[*tuple[Any, ...]]:
    """Keep all others from changing the chat until the transaction ends; returns ``leaf_id`` and ``comparison_id``."""
    return _one(connection, own_chat(user_id, chat_id, _chats.leaf_id, _chats.comparison_id).with_for_update())


def read_chat(connection: Connection, user_id: str, chat_id: str) -> Chat:
    """A chat with all its messages."""
    row = _one(connection, own_chat(user_id, chat_id, *summary_fields, _chats.settings, _chats.leaf_id))
    values = (*row, messages_of(connection, chat_id))
    return Chat(*values)


def insert_chat(connection: Connection, user_id: str, chat: Chat, *, comparison_id: str | None = None) -> None:
    """Keep a chat, without messages, as one of the history or of a comparison."""
    names = [field.name for field in (*summary_fields, _chats.settings, _chats.leaf_id)]
    row = {name: getattr(chat, name) for name in names}
    connection.execute(schema.chats.insert().values(**row, user_id=user_id, comparison_id=comparison_id))


def one_title(title: str) -> str:
    """A title as it is kept."""
    return one_line(title, MAX_TITLE)


def model_name(model: str | None) -> str | None:
    """A model's name as it is kept."""
    return None if model is None else one_line(model, MAX_MODEL)


def _one(connection: Connection, query: Select[*tuple[Any, ...]]) -> Row[*tuple[Any, ...]]:
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("There is no such chat.")
    return row
