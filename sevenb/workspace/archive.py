"""Archives: chats as JSON for other places, and back from there, with nothing in them trusted."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from sevenb.errors import InvalidRequest, SevenbError, StorageFull, WorkspaceUnavailable
from sevenb.workspace import schema, search
from sevenb.workspace.chat_rows import insert_chat, listed, model_name, one_title, read_chat
from sevenb.workspace.database import Database
from sevenb.workspace.folders import folder_named
from sevenb.workspace.message_rows import insert_messages, message_row
from sevenb.workspace.records import (
    Attachment,
    Chat,
    Figures,
    FinishReason,
    Folder,
    ImportResult,
    Message,
    MessageRole,
    MessageStatus,
    NewMessage,
    Problem,
    SkippedChat,
    ToolCall,
)
from sevenb.workspace.settings_shape import ChatSettings
from sevenb.workspace.values import json_object, new_id, now

FORMAT, VERSION = "sevenb-chats", 1
MAX_CHATS = 50_000  # of an archive
MAX_MESSAGES = 20_000  # of a chat
MAX_FIGURE = 2**53  # what JavaScript counts to

_chats = schema.chats.c

# -- out ---------------------------------------------------------------------------------------------


def export(connection: Connection, user_id: str, chat_ids: Sequence[str] | None) -> dict[str, Any]:
    """A ``ChatArchive`` of these chats, or of all that the history lists, oldest first."""
    if chat_ids is None:
        query = select(_chats.id).where(_chats.user_id == user_id, *listed).order_by(_chats.created_at, _chats.id)
        chat_ids = connection.execute(query).scalars().all()
    chats = [read_chat(connection, user_id, chat_id) for chat_id in chat_ids]
    folders = schema.folders.c
    used = {chat.folder_id for chat in chats}
    rows = connection.execute(select(folders.id, folders.name).where(folders.user_id == user_id)).all()
    return {
        "format": FORMAT,
        "version": VERSION,
        "exported_at": now(),
        "folders": [{"id": row.id, "name": row.name} for row in rows if row.id in used],
        "chats": msgspec.to_builtins(chats),
    }


# -- what may come in ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Message:
    """A message of an archive. What an older or other writer leaves out has a default."""

    id: str
    role: MessageRole
    parent_id: str | None = None
    content: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    tool_calls: list[ToolCall] = field(default_factory=list)
    tool_call_id: str | None = None
    model: str | None = None
    status: MessageStatus = "complete"
    finish_reason: FinishReason | None = None
    error: Problem | None = None
    figures: Figures | None = None
    valid: bool | None = None
    created_at: float | None = None


@dataclass(frozen=True)
class _Chat:
    """A chat of an archive."""

    messages: list[_Message]
    title: str = ""
    titled: bool = False
    model: str | None = None
    pinned: bool = False
    folder_id: str | None = None
    created_at: float | None = None
    updated_at: float | None = None
    settings: ChatSettings = field(default_factory=ChatSettings)
    leaf_id: str | None = None


# -- in ----------------------------------------------------------------------------------------------


def import_chats(database: Database, user_id: str, archive: Any) -> ImportResult:
    """Add the chats of an archive, each whole or not at all, with new ids; InvalidRequest where it is no archive."""
    chats, folder_names = _opened(archive)
    imported = 0
    skipped: list[SkippedChat] = []
    for given in chats:
        try:
            chat, folder_id = _read(given)
            with database.write() as connection:
                _keep(connection, user_id, chat, folder_names.get(folder_id or ""))
            imported += 1
        except (StorageFull, WorkspaceUnavailable) as error:
            if not imported:
                raise
            skipped.append(SkippedChat(_title(given), str(error)))
            break
        except SevenbError as error:
            skipped.append(SkippedChat(_title(given), str(error)))
    return ImportResult(imported, skipped)


def _opened(archive: Any) -> tuple[list[Any], dict[str, str]]:
    """The chats, unchecked, and the names of folders by id."""
    if not isinstance(archive, dict) or archive.get("format") != FORMAT or not isinstance(archive.get("chats"), list):
        raise InvalidRequest('This is no archive of chats; its "format" would be "sevenb-chats".', "format")
    if archive.get("version") != VERSION:
        raise InvalidRequest(
            f"The archive has version {str(archive.get('version'))[:20]}, this sevenb reads {VERSION}; update it.",
            "version",
        )
    if len(archive["chats"]) > MAX_CHATS:
        raise InvalidRequest(f"The archive has more than {MAX_CHATS} chats; part it.", "chats")
    folders = archive.get("folders")
    names: dict[str, str] = {}
    for folder in folders if isinstance(folders, list) else []:
        try:
            known = msgspec.convert(folder, Folder)
        except (msgspec.ValidationError, RecursionError):
            continue  # its chats come without a folder
        names[known.id] = known.name
    return archive["chats"], names


def _read(given: Any) -> tuple[Chat, str | None]:
    """A chat with new ids, and the archive's id of its folder; InvalidRequest says what is wrong with it."""
    try:
        found = msgspec.convert(given, _Chat)
    except (msgspec.ValidationError, RecursionError) as error:
        raise InvalidRequest(f"It cannot be read: {error}.") from error
    if len(found.messages) > MAX_MESSAGES:
        raise InvalidRequest(f"It has more than {MAX_MESSAGES} messages.")
    begun = _time(found.created_at, now())
    messages, ids = _tree(found.messages, begun)
    leaf_id = ids.get(found.leaf_id or "", messages[-1].id if messages else None)
    title = one_title(found.title)
    chat = Chat(
        id=new_id(),
        title=title,
        titled=found.titled and bool(title),
        model=model_name(found.model),
        pinned=found.pinned,
        folder_id=None,
        created_at=begun,
        updated_at=_time(found.updated_at, begun),
        settings=json_object(found.settings.given(), "settings"),
        leaf_id=leaf_id,
        messages=messages,
    )
    return chat, found.folder_id


def _tree(given: Sequence[_Message], begun: float) -> tuple[list[Message], Mapping[str, str]]:
    """The messages with new ids, parents before children, and the new id of each old one."""
    ids = {message.id: new_id() for message in given}
    if len(ids) < len(given):
        raise InvalidRequest("Two of its messages have the same id.")
    children: dict[str | None, list[int]] = {}
    for place, message in enumerate(given):
        if message.parent_id is not None and message.parent_id not in ids:
            raise InvalidRequest("One of its messages follows one that is not there.")
        children.setdefault(message.parent_id, []).append(place)
    # The order of the archive, which is that of time, but never a child before its parent.
    ready = list(children.get(None, []))
    ordered: list[Message] = []
    while ready:
        message = given[heapq.heappop(ready)]
        parent = ids[message.parent_id] if message.parent_id is not None else None
        ordered.append(_renamed(message, ids[message.id], parent, begun))
        for child in children.get(message.id, []):
            heapq.heappush(ready, child)
    if len(ordered) < len(given):
        raise InvalidRequest("Its messages follow one another in a circle.")
    return ordered, ids


def _renamed(given: _Message, message_id: str, parent_id: str | None, begun: float) -> Message:
    """The message as it is kept. What ran elsewhere does not run here."""
    new = NewMessage(
        role=given.role,
        content=given.content,
        attachments=given.attachments,
        tool_calls=given.tool_calls,
        tool_call_id=given.tool_call_id,
        model=given.model,
        status="interrupted" if given.status == "running" else given.status,
        finish_reason=given.finish_reason,
        error=given.error,
        figures=_finite(given.figures),
        valid=given.valid,
    )
    return message_row(new, message_id, parent_id, _time(given.created_at, begun))


def _keep(connection: Connection, user_id: str, chat: Chat, folder: str | None) -> None:
    if folder is not None:
        chat = replace(chat, folder_id=folder_named(connection, user_id, folder))
    insert_chat(connection, user_id, chat)
    search.index_title(connection, user_id, chat.id, chat.title)
    if chat.messages:
        insert_messages(connection, chat.id, chat.messages)
        search.index_messages(connection, user_id, chat.id, chat.messages)


def _time(given: float | None, default: float) -> float:
    """A time of an archive; none from the future, which would stay on top of the history."""
    if given is None or not math.isfinite(given) or given < 0:
        return default
    return min(given, now())


def _finite(figures: Figures | None) -> Figures | None:
    """The figures, or none where one is no number that a page could show."""
    if figures is None:
        return None
    values = [value for value in asdict(figures).values() if value is not None]
    return figures if all(0 <= value < MAX_FIGURE for value in values) else None


def _title(given: Any) -> str:
    title = given.get("title") if isinstance(given, dict) else None
    return one_title(title) if isinstance(title, str) else ""
