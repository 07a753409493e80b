"""Comparisons: the same messages to several models, and the votes on their answers."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import schema
from sevenb.workspace.chat_rows import insert_chat, one_title
from sevenb.workspace.database import Database
from sevenb.workspace.records import (
    Chat,
    Comparison,
    ComparisonEntry,
    Figures,
    NewComparisonEntry,
    Vote,
    VoteTable,
    Winner,
)
from sevenb.workspace.standings import standings_of
from sevenb.workspace.values import clean, json_object, new_id, now, one_line

MAX_COMPARISONS = 500  # in one list
MAX_LABEL = 100  # characters
MAX_QUESTION = 2000  # characters of the message that a vote keeps

_comparisons = schema.comparisons.c
_fields = (
    _comparisons.id,
    _comparisons.title,
    _comparisons.entries,
    _comparisons.created_at,
    _comparisons.updated_at,
)
_votes = schema.votes.c
_vote_fields = (
    _votes.id,
    _votes.comparison_id,
    _votes.message,
    _votes.models,
    _votes.labels,
    _votes.answer_ids,
    _votes.winner,
    _votes.figures,
    _votes.created_at,
)
_messages = schema.messages.c


class Comparisons:
    """The comparisons and votes of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str, limit: int = 200) -> Sequence[Comparison]:
        """The user's comparisons, last changed first."""
        query = select(*_fields).where(_comparisons.user_id == user_id)
        query = query.order_by(_comparisons.updated_at.desc()).limit(max(1, min(limit, MAX_COMPARISONS)))
        with self._database.read() as connection:
            return [Comparison(*row) for row in connection.execute(query).all()]

    def create(self, user_id: str, entries: Sequence[NewComparisonEntry], title: str = "") -> Comparison:
        """Make a comparison of two or three entries, each with a chat that the history does not list."""
        if not 2 <= len(entries) <= 3:
            raise InvalidRequest("A comparison has two or three entries.", "entries")
        time = now()
        made = Comparison(new_id(), one_title(title), tuple(map(_entry, entries)), time, time)
        with self._database.write() as connection:
            row = {field.name: getattr(made, field.name) for field in _fields}
            connection.execute(schema.comparisons.insert().values(user_id=user_id, **row))
            for entry in made.entries:
                chat = Chat(entry.chat_id, "", False, entry.model, False, None, time, time, entry.settings)
                insert_chat(connection, user_id, chat, comparison_id=made.id)
        return made

    def get(self, user_id: str, comparison_id: str) -> Comparison:
        """One comparison."""
        with self._database.read() as connection:
            return _get(connection, user_id, comparison_id)

    def update(self, user_id: str, comparison_id: str, *, title: str) -> Comparison:
        """Rename a comparison."""
        with self._database.write() as connection:
            _get(connection, user_id, comparison_id)
            changes = {"title": one_title(title), "updated_at": now()}
            renamed = update(schema.comparisons).where(_comparisons.id == comparison_id).values(**changes)
            connection.execute(renamed)
            return _get(connection, user_id, comparison_id)

    def delete(self, user_id: str, comparison_id: str) -> None:
        """Delete a comparison with its chats; votes stay."""
        with self._database.write() as connection:
            _get(connection, user_id, comparison_id)
            connection.execute(delete(schema.comparisons).where(_comparisons.id == comparison_id))

    # -- votes ---------------------------------------------------------------------------------------

    def vote(
        self, user_id: str, comparison_id: str, message: str, answer_ids: Sequence[str | None], winner: Winner
    ) -> Vote:
        """Keep which of these answers (one an entry; None where it has none) is better.

        A second vote on the same answers takes the place of the first.
        """
        with self._database.write() as connection:
            entries = _get(connection, user_id, comparison_id).entries
            _check_vote(entries, answer_ids, winner)
            vote = Vote(
                id=new_id(),
                comparison_id=comparison_id,
                message=clean(message)[:MAX_QUESTION],
                models=[entry.model for entry in entries],
                labels=[entry.label for entry in entries],
                answer_ids=tuple(answer_ids),
                winner=winner,
                figures=[
                    _figures(connection, entry, answer) for entry, answer in zip(entries, answer_ids, strict=True)
                ],
                created_at=now(),
            )
            row = {field.name: getattr(vote, field.name) for field in _vote_fields}
            same = (_votes.comparison_id == comparison_id) & (_votes.answer_ids == vote.answer_ids)
            connection.execute(delete(schema.votes).where(same))
            connection.execute(schema.votes.insert().values(user_id=user_id, **row))
            mine = _comparisons.id == comparison_id
            connection.execute(update(schema.comparisons).where(mine).values(updated_at=vote.created_at))
        return vote

    def votes(self, user_id: str) -> VoteTable:
        """All votes of the user and the standings."""
        query = select(*_vote_fields).where(_votes.user_id == user_id).order_by(_votes.number.desc())
        with self._database.read() as connection:
            votes = [Vote(*row) for row in connection.execute(query).all()]
        return VoteTable(votes, standings_of(votes))


def _entry(new: NewComparisonEntry) -> ComparisonEntry:
    model = one_line(new.model, 500)
    if not model:
        raise InvalidRequest("Each entry of a comparison names a model.", "entries")
    return ComparisonEntry(one_line(new.label, MAX_LABEL), model, json_object(new.settings, "settings"), new_id())


def _get(connection: Connection, user_id: str, comparison_id: str) -> Comparison:
    mine = (_comparisons.id == comparison_id) & (_comparisons.user_id == user_id)
    row = connection.execute(select(*_fields).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise NotFound("There is no such comparison.")
    return Comparison(*row)


def _check_vote(entries: Sequence[ComparisonEntry], answer_ids: Sequence[str | None], winner: Any) -> None:
    if len(answer_ids) != len(entries) or not any(answer_ids):
        raise InvalidRequest("A vote names one answer for each entry, and at least one.", "answer_ids")
    if winner in ("tie", "none"):
        return
    if isinstance(winner, bool) or not isinstance(winner, int) or not 0 <= winner < len(entries):
        raise InvalidRequest('The winner is the index of an entry, "tie" or "none".', "winner")
    if answer_ids[winner] is None:
        raise InvalidRequest("An entry without an answer cannot win.", "winner")


def _figures(connection: Connection, entry: ComparisonEntry, answer_id: str | None) -> Figures | None:
    if answer_id is None:
        return None
    own = (_messages.id == answer_id) & (_messages.chat_id == entry.chat_id) & (_messages.role == "assistant")
    row = connection.execute(select(_messages.figures).where(own)).one_or_none()
    if row is None:
        raise NotFound("There is no such answer in this comparison.")
    figures: Figures | None = row.figures
    return figures
