"""Search: keeps the terms of titles and messages, finds them again, and shows where.

The database finds entries with all terms of a query; whether the characters of each run stand side by side there is
looked up in the text itself, which the snippet needs anyway.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, cast, column, delete, func, select, table, text, update
from sqlalchemy.dialects.postgresql import TSQUERY

from sevenb.workspace import schema
from sevenb.workspace.chat_rows import listed, summary_fields
from sevenb.workspace.message_rows import searchable
from sevenb.workspace.records import ChatSummary, Message, SearchHit
from sevenb.workspace.snippets import Snippet, snippet_of
from sevenb.workspace.terms import MAX_CHARACTERS, Query, query_of, terms_of

PER_CHAT = 3  # hits of a chat, so that one does not hide all others
_PAGE = 100
_LOOKED_AT = 3  # times the limit: among so many of the newest are the best

_entries = schema.search_entries.c
_chats = schema.chats.c
_messages = schema.messages.c
_full_text = table("search_terms", column("rowid"), column("search_terms"))

# Every entry has one term that says whose it is, so that other people's texts cost a search nothing. It begins with a
# character for private use, which no term of a text contains.
_TITLE, _MESSAGE = "\ue000", "\ue001"


# -- what is found -----------------------------------------------------------------------------------


def index_title(connection: Connection, user_id: str, chat_id: str, title: str) -> None:
    """Let a chat be found by this title."""
    connection.execute(delete(schema.search_entries).where(_entries.chat_id == chat_id, _entries.message_id.is_(None)))
    _insert(connection, _TITLE + user_id, [(chat_id, None, title)])


def index_messages(connection: Connection, user_id: str, chat_id: str, messages: Iterable[Message]) -> None:
    """Let messages be found by what they say, once they say it all."""
    said = [
        (chat_id, message.id, searchable(message.content, message.attachments))
        for message in messages
        if message.status != "running"
    ]
    _insert(connection, _MESSAGE + user_id, said)


def forget_message(connection: Connection, message_id: str) -> None:
    """Let a message no longer be found."""
    connection.execute(delete(schema.search_entries).where(_entries.message_id == message_id))


def change_owner(connection: Connection, old: str, new: str) -> None:
    """Let a user find what was another's."""
    mine = _entries.chat_id.in_(select(_chats.id).where(_chats.user_id == new))
    for kind in (_TITLE, _MESSAGE):
        if connection.dialect.name == "sqlite":
            terms: Any = func.replace(_entries.terms, kind + old, kind + new)
        else:
            terms = func.array_to_tsvector(
                func.array_replace(func.tsvector_to_array(_entries.terms), kind + old, kind + new)
            )
        connection.execute(update(schema.search_entries).where(mine).values(terms=terms))


def _insert(connection: Connection, scope: str, texts: Sequence[tuple[str, str | None, str]]) -> None:
    rows: list[dict[str, Any]] = []
    for chat_id, message_id, content in texts:
        terms = terms_of(content)
        if terms:
            rows.append({"chat_id": chat_id, "message_id": message_id, "words": [scope, *terms]})
    if not rows:
        return
    if connection.dialect.name == "sqlite":
        for row in rows:
            row["terms"] = " ".join(row.pop("words"))
        connection.execute(schema.search_entries.insert(), rows)
    else:
        insert = text(
            "INSERT INTO search_entries (chat_id, message_id, terms)"
            " VALUES (:chat_id, :message_id, array_to_tsvector(CAST(:words AS text[])))"
        )
        connection.execute(insert, rows)


# -- finding -----------------------------------------------------------------------------------------


def find(connection: Connection, user_id: str, query: str, limit: int) -> list[SearchHit]:
    """Titles first; then messages, those that have the words as they were typed before the others, then the newest."""
    wanted = query_of(query)
    if not wanted.pieces:
        return []
    titles = _hits(connection, _TITLE + user_id, wanted, limit)
    messages = _hits(connection, _MESSAGE + user_id, wanted, limit * _LOOKED_AT)
    messages.sort(key=lambda found: not found[1].as_typed)
    return [hit for hit, _ in (titles + messages)[:limit]]


def _hits(connection: Connection, scope: str, wanted: Query, limit: int) -> list[tuple[SearchHit, Snippet]]:
    hits: list[tuple[SearchHit, Snippet]] = []
    of_chat: Counter[str] = Counter()
    for row in _candidates(connection, scope, wanted):
        summary = ChatSummary(*row[4:])
        if of_chat[summary.id] == PER_CHAT:
            continue
        snippet = snippet_of(row.content if row.message_id else summary.title, wanted.pieces)
        if snippet is None and row.message_id:
            snippet = snippet_of(_whole_text(connection, row.message_id), wanted.pieces)
        if snippet is None:
            continue
        of_chat[summary.id] += 1
        hits.append((SearchHit(summary, row.message_id, row.role, snippet.text), snippet))
        if len(hits) == limit:
            break
    return hits


def _whole_text(connection: Connection, message_id: str) -> str:
    """A message's text with the names of its attachments, which themselves may be large and are seldom needed."""
    query = select(_messages.content, _messages.attachments).where(_messages.id == message_id)
    row = connection.execute(query).one()
    return searchable(row.content, row.attachments)[:MAX_CHARACTERS]


def _candidates(connection: Connection, scope: str, wanted: Query) -> Iterator[Row[*tuple[Any, ...]]]:
    """Entries with all the terms, the newest first."""
    query = (
        select(
            _entries.number,
            _entries.message_id,
            _messages.role,
            func.substr(_messages.content, 1, MAX_CHARACTERS).label("content"),
            *summary_fields,
        )
        .select_from(schema.search_entries)
        .join(schema.chats, _chats.id == _entries.chat_id)
        .outerjoin(schema.messages, _messages.id == _entries.message_id)
        .where(*listed)
        .limit(_PAGE)
    )
    if connection.dialect.name == "sqlite":
        matching = " ".join(
            [f'"{term}"' for term in (scope, *wanted.terms)] + [f'"{term}"*' for term in wanted.beginnings]
        )
        query = query.join(_full_text, _full_text.c.rowid == _entries.number)
        query = query.where(_full_text.c.search_terms.op("MATCH")(matching)).order_by(_full_text.c.rowid.desc())
        number: Any = _full_text.c.rowid
    else:
        matching = " & ".join(
            [f"'{term}'" for term in (scope, *wanted.terms)] + [f"'{term}':*" for term in wanted.beginnings]
        )
        query = query.where(_entries.terms.op("@@")(cast(matching, TSQUERY))).order_by(_entries.number.desc())
        number = _entries.number
    page = connection.execute(query).all()
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        page = connection.execute(query.where(number < page[-1].number)).all()
