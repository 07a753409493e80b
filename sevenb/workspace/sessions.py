"""Signed-in browsers: tokens that are stored as their hashes alone, and end after 30 idle days."""

from collections.abc import Sequence

from sevenb.workspace.database import Database
from sevenb.workspace.records import Session, User


class Sessions:
    """The sessions of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user_id: str, user_agent: str = "", address: str = "") -> tuple[str, Session]:
        """Begin a session; returns its token, told this once, and the session."""
        raise NotImplementedError

    def find(self, token: str) -> tuple[Session, User] | None:
        """The session of a token and its user, unless it ended or the user is disabled. Notes that it was seen."""
        raise NotImplementedError

    def list(self, user_id: str) -> Sequence[Session]:
        """The user's sessions, last seen first."""
        raise NotImplementedError

    def revoke(self, user_id: str, session_id: str) -> None:
        """End one session."""
        raise NotImplementedError

    def revoke_all(self, user_id: str, but: str | None = None) -> None:
        """End all sessions of a user, except the one with the id ``but``."""
        raise NotImplementedError
