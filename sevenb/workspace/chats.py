"""Chats: the history of each user, and the tree of messages in each chat."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict, Unpack

from sqlalchemy import Connection, delete, false, or_, select, tuple_, update

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import archive, schema, search
from sevenb.workspace.chat_rows import (
    insert_chat,
    listed,
    lock_chat,
    model_name,
    one_title,
    read_chat,
    summary_fields,
    summary_of,
)
from sevenb.workspace.database import Database
from sevenb.workspace.message_rows import (
    checked,
    delete_branch,
    insert_messages,
    message_fields,
    message_row,
    searchable,
)
from sevenb.workspace.presence import Presence
from sevenb.workspace.records import (
    Attachment,
    Chat,
    ChatSummary,
    Figures,
    FinishReason,
    ImportResult,
    Message,
    MessageStatus,
    NewMessage,
    Problem,
    SearchHit,
    ToolCall,
)
from sevenb.workspace.values import json_object, new_id, now

MAX_PAGE = 200
MAX_HITS = 100
NO_FOLDER = "none"

_chats = schema.chats.c
_messages = schema.messages.c


class ChatChanges(TypedDict, total=False):
    """What `Chats.update` can change. ``title`` also sets ``titled`` unless that is given; "" takes both back."""

    title: str
    titled: bool
    model: str | None
    pinned: bool
    folder_id: str | None
    leaf_id: str | None
    settings: Mapping[str, Any]


class MessageChanges(TypedDict, total=False):
    """What `Chats.update_message` can change."""

    content: str
    attachments: Sequence[Attachment]
    tool_calls: Sequence[ToolCall]
    model: str | None
    status: MessageStatus
    finish_reason: FinishReason | None
    error: Problem | None
    figures: Figures | None
    valid: bool | None


class Chats:
    """The chats of all users. Another user's chat and a missing one are the same `NotFound`."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    def list(
        self, user_id: str, *, folder: str | None = None, cursor: str | None = None, limit: int = 50
    ) -> tuple[Sequence[ChatSummary], str | None]:
        """One page of the history, pinned ones first, then the newest, and the cursor of the next page.

        ``folder``: a folder's id, ``"none"`` for chats without one, None for all.
        """
        limit = max(1, min(limit, MAX_PAGE))
        order = (_chats.pinned, _chats.updated_at, _chats.id)
        query = (
            select(*summary_fields)
            .where(_chats.user_id == user_id, *listed)
            .order_by(*(key.desc() for key in order))
            .limit(limit + 1)
        )
        if folder is not None:
            query = query.where(_chats.folder_id == (None if folder == NO_FOLDER else folder))
        if cursor is not None:
            query = query.where(tuple_(*order) < tuple_(*_read_cursor(cursor)))
        with self._database.read() as connection:
            chats = [ChatSummary(*row) for row in connection.execute(query).all()]
        page = chats[:limit]
        return page, _cursor(page[-1]) if len(chats) > limit else None

    def create(
        self,
        user_id: str,
        *,
        title: str = "",
        model: str | None = None,
        settings: Mapping[str, Any] | None = None,
        folder_id: str | None = None,
    ) -> Chat:
        """Make a chat."""
        time = now()
        title = one_title(title)
        chat = Chat(
            id=new_id(),
            title=title,
            titled=bool(title),
            model=model_name(model),
            pinned=False,
            folder_id=folder_id,
            created_at=time,
            updated_at=time,
            settings=json_object(settings or {}, "settings"),
            messages=[],
        )
        with self._database.write() as connection:
            _check_folder(connection, user_id, folder_id)
            insert_chat(connection, user_id, chat)
            search.index_title(connection, user_id, chat.id, title)
        return chat

    def get(self, user_id: str, chat_id: str) -> Chat:
        """A chat with all its messages."""
        with self._database.read() as connection:
            return read_chat(connection, user_id, chat_id)

    def summary(self, user_id: str, chat_id: str) -> ChatSummary:
        """A chat's line of the history."""
        with self._database.read() as connection:
            return summary_of(connection, user_id, chat_id)

    def update(self, user_id: str, chat_id: str, **changes: Unpack[ChatChanges]) -> ChatSummary:
        """Change what is given. Its place in the history stays: only messages make a chat new."""
        values: dict[str, Any] = dict(changes)
        if "title" in values:
            values["title"] = one_title(values["title"])
            values.setdefault("titled", bool(values["title"]))
        if "settings" in values:
            values["settings"] = json_object(values["settings"], "settings")
        if "model" in values:
            values["model"] = model_name(values["model"])
        with self._database.write() as connection:
            lock_chat(connection, user_id, chat_id)
            _check_folder(connection, user_id, values.get("folder_id"))
            _check_message(connection, chat_id, values.get("leaf_id"))
            if values:
                connection.execute(update(schema.chats).where(_chats.id == chat_id).values(**values))
            if "title" in values:
                search.index_title(connection, user_id, chat_id, values["title"])
            return summary_of(connection, user_id, chat_id)

    def delete(self, user_id: str, chat_id: str) -> None:
        """Delete a chat; `restore` takes that back until `purge`."""
        with self._database.write() as connection:
            lock_chat(connection, user_id, chat_id)
            connection.execute(update(schema.chats).where(_chats.id == chat_id).values(deleted_at=now()))

    def restore(self, user_id: str, chat_id: str) -> ChatSummary:
        """Take the deletion back."""
        mine = (_chats.id == chat_id) & (_chats.user_id == user_id)
        with self._database.write() as connection:
            connection.execute(update(schema.chats).where(mine).values(deleted_at=None))
            return summary_of(connection, user_id, chat_id)

    def purge(self, older_than_seconds: float) -> int:
        """Erase chats that were deleted that long ago; returns how many."""
        with self._database.write() as connection:
            old = _chats.deleted_at <= now() - older_than_seconds
            return connection.execute(delete(schema.chats).where(old)).rowcount

    # -- messages ------------------------------------------------------------------------------------

    def add_message(self, user_id: str, chat_id: str, message: NewMessage) -> Message:
        """Keep a message; it becomes the chat's leaf."""
        return self.add_messages(user_id, chat_id, [message])[0]

    def add_messages(self, user_id: str, chat_id: str, messages: Sequence[NewMessage]) -> Sequence[Message]:
        """Keep messages, all or none: the first follows its ``parent_id``, each other one the message before it."""
        time = now()
        kept: list[Message] = []
        for message in messages:
            parent_id = kept[-1].id if kept else message.parent_id
            kept.append(message_row(message, new_id(), parent_id, time))
        with self._database.write() as connection:
            chat = lock_chat(connection, user_id, chat_id)
            if kept:
                _check_message(connection, chat_id, kept[0].parent_id)
                insert_messages(connection, chat_id, kept, self._presence.id)
                search.index_messages(connection, user_id, chat_id, kept)
                changes = {"leaf_id": kept[-1].id, "updated_at": time}
                connection.execute(update(schema.chats).where(_chats.id == chat_id).values(**changes))
                comparison = schema.comparisons.c.id == chat.comparison_id
                connection.execute(update(schema.comparisons).where(comparison).values(updated_at=time))
        return kept

    def get_message(self, user_id: str, message_id: str) -> Message:
        """One message."""
        with self._database.read() as connection:
            return _own_message(connection, user_id, message_id)[1]

    def update_message(self, user_id: str, message_id: str, **changes: Unpack[MessageChanges]) -> Message:
        """Change what is given. The text can be searched for once the message is no longer running."""
        values = checked(changes)
        if values.get("status") == "running":
            values["server_id"] = self._presence.id
        with self._database.write() as connection:
            chat_id, before = _own_message(connection, user_id, message_id)
            lock_chat(connection, user_id, chat_id)
            if values:
                connection.execute(update(schema.messages).where(_messages.id == message_id).values(**values))
            after = _own_message(connection, user_id, message_id)[1]
            said = [searchable(message.content, message.attachments) for message in (before, after)]
            if after.status != "running" and (before.status == "running" or said[0] != said[1]):
                search.forget_message(connection, message_id)
                search.index_messages(connection, user_id, chat_id, [after])
                connection.execute(update(schema.chats).where(_chats.id == chat_id).values(updated_at=now()))
        return after

    def delete_message(self, user_id: str, message_id: str) -> None:
        """Delete a message and all that follow it; the branch beside it is shown then, else its beginning."""
        with self._database.write() as connection:
            chat_id, _ = _own_message(connection, user_id, message_id)
            chat = lock_chat(connection, user_id, chat_id)
            leaf_id = delete_branch(connection, chat_id, message_id, chat.leaf_id)
            connection.execute(update(schema.chats).where(_chats.id == chat_id).values(leaf_id=leaf_id))

    def interrupt_running(self) -> int:
        """Call interrupted what servers that went down left running; returns how many messages.

        What other servers on this database are writing stays as it is.
        """
        self._presence.keep()
        running = _messages.status == "running"
        with self._database.read() as connection:
            servers = connection.execute(select(_messages.server_id).where(running).distinct()).scalars().all()
        gone = [server_id for server_id in servers if self._presence.is_gone(server_id)]
        if not gone:
            return 0
        whose = or_(
            _messages.server_id.in_([server_id for server_id in gone if server_id is not None]),
            _messages.server_id.is_(None) if None in gone else false(),
        )
        with self._database.write() as connection:
            query = (
                select(_chats.user_id, _chats.id, *message_fields)
                .join_from(schema.messages, schema.chats)
                .where(running & whose)
                .with_for_update(of=schema.messages)
            )
            left = connection.execute(query).all()
            stop = update(schema.messages).where(running & whose).values(status="interrupted")
            connection.execute(stop)
            for user_id, chat_id, *message in left:
                stopped = dataclasses.replace(Message(*message), status="interrupted")
                search.index_messages(connection, user_id, chat_id, [stopped])
        return len(left)

    # -- search, export, import ----------------------------------------------------------------------

    def search(self, user_id: str, query: str, limit: int = 30) -> Sequence[SearchHit]:
        """Messages and titles with all words of the query (the last may be a beginning), best first."""
        with self._database.read() as connection:
            return search.find(connection, user_id, query, max(1, min(limit, MAX_HITS)))

    def export(self, user_id: str, chat_ids: Sequence[str] | None = None) -> dict[str, Any]:
        """A ``ChatArchive`` of these chats, or of the whole history, ready for JSON."""
        with self._database.read() as connection:
            return archive.export(connection, user_id, chat_ids)

    def import_(self, user_id: str, chat_archive: Any) -> ImportResult:
        """Add the chats of a ``ChatArchive``, each whole or not at all, under new ids.

        InvalidRequest where it is no archive.
        """
        return archive.import_chats(self._database, user_id, chat_archive)


def _check_folder(connection: Connection, user_id: str, folder_id: str | None) -> None:
    folders = schema.folders.c
    if folder_id is None:
        return
    mine = (folders.id == folder_id) & (folders.user_id == user_id)
    if connection.execute(select(folders.id).where(mine)).one_or_none() is None:
        raise NotFound("There is no such folder.")


def _check_message(connection: Connection, chat_id: str, message_id: str | None) -> None:
    if message_id is None:
        return
    there = (_messages.id == message_id) & (_messages.chat_id == chat_id)
    if connection.execute(select(_messages.id).where(there)).one_or_none() is None:
        raise NotFound("There is no such message in this chat.")


def _own_message(connection: Connection, user_id: str, message_id: str) -> tuple[str, Message]:
    """A message of this user's, with its chat's id."""
    row = connection.execute(
        select(_messages.chat_id, *message_fields)
        .join_from(schema.messages, schema.chats)
        .where(_messages.id == message_id, _chats.user_id == user_id, _chats.deleted_at.is_(None))
    ).one_or_none()
    if row is None:
        raise NotFound("There is no such message.")
    return row[0], Message(*row[1:])


def _cursor(last: ChatSummary) -> str:
    return f"{int(last.pinned)}~{last.updated_at!r}~{last.id}"


def _read_cursor(cursor: str) -> tuple[bool, float, str]:
    try:
        pinned, updated_at, chat_id = cursor.split("~")
        time = float(updated_at)
        if not math.isfinite(time):
            raise ValueError
        return pinned == "1", time, chat_id
    except ValueError:
        raise InvalidRequest("This is no cursor of a page of chats; begin with the first page.", "cursor") from None
