"""Signed-in browsers: tokens that are stored as their hashes alone, and end after 30 idle days."""

import secrets
from collections.abc import Sequence

from sqlalchemy import delete, select, update

from sevenb.errors import NotFound
from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.records import Session, User
from sevenb.workspace.tokens import SEEN_SECONDS, hash_of, note
from sevenb.workspace.users import user_fields
from sevenb.workspace.values import new_id, now, one_line

IDLE_SECONDS = 30 * 24 * 3600

_sessions = schema.sessions.c
_fields = (
    _sessions.id,
    _sessions.user_id,
    _sessions.created_at,
    _sessions.last_seen_at,
    _sessions.user_agent,
    _sessions.address,
)


class Sessions:
    """The sessions of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user_id: str, user_agent: str = "", address: str = "") -> tuple[str, Session]:
        """Begin a session; returns its token, told this once, and the session."""
        token = secrets.token_urlsafe(32)
        time = now()
        session = Session(new_id(), user_id, time, time, one_line(user_agent, 300), one_line(address, 100))
        with self._database.write() as connection:
            connection.execute(delete(schema.sessions).where(_sessions.last_seen_at < time - IDLE_SECONDS))
            connection.execute(
                schema.sessions.insert().values(
                    id=session.id,
                    user_id=user_id,
                    created_at=time,
                    last_seen_at=time,
                    user_agent=session.user_agent,
                    address=session.address,
                    token_hash=hash_of(token),
                )
            )
        return token, session

    def find(self, token: str) -> tuple[Session, User] | None:
        """The session of a token and its user, unless it ended or the user is disabled. Notes that it was seen."""
        time = now()
        query = (
            select(*_fields, *user_fields)
            .join_from(schema.sessions, schema.users)
            .where(_sessions.token_hash == hash_of(token), _sessions.last_seen_at >= time - IDLE_SECONDS)
            .where(~schema.users.c.disabled)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        session, user = Session(*row[: len(_fields)]), User(*row[len(_fields) :])
        if session.last_seen_at < time - SEEN_SECONDS:
            note(self._database, update(schema.sessions).where(_sessions.id == session.id).values(last_seen_at=time))
        return session, user

    def list(self, user_id: str) -> Sequence[Session]:
        """The user's sessions, last seen first."""
        mine = (_sessions.user_id == user_id) & (_sessions.last_seen_at >= now() - IDLE_SECONDS)
        with self._database.read() as connection:
            rows = connection.execute(select(*_fields).where(mine).order_by(_sessions.last_seen_at.desc())).all()
        return [Session(*row) for row in rows]

    def revoke(self, user_id: str, session_id: str) -> None:
        """End one session."""
        mine = (_sessions.user_id == user_id) & (_sessions.id == session_id)
        with self._database.write() as connection:
            if not connection.execute(delete(schema.sessions).where(mine)).rowcount:
                raise NotFound("There is no such session.")

    def revoke_all(self, user_id: str, but: str | None = None) -> None:
        """End all sessions of a user, except the one with the id ``but``."""
        mine = (_sessions.user_id == user_id) & (_sessions.id != (but or ""))
        with self._database.write() as connection:
            connection.execute(delete(schema.sessions).where(mine))
