"""API keys of users: shown once, stored as hashes."""

from collections.abc import Sequence

from sevenb.workspace.database import Database
from sevenb.workspace.records import ApiKey, User

PREFIX = "sk-sevenb-"


class Keys:
    """The API keys of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user_id: str, name: str, expires_at: float | None = None) -> tuple[str, ApiKey]:
        """Make a key; returns its secret, told this once, and the key."""
        raise NotImplementedError

    def find(self, secret: str) -> tuple[ApiKey, User] | None:
        """The key of a secret and its user, unless it expired or the user is disabled. Notes that it was used."""
        raise NotImplementedError

    def list(self, user_id: str) -> Sequence[ApiKey]:
        """The user's keys, newest first, expired ones too."""
        raise NotImplementedError

    def revoke(self, user_id: str, key_id: str) -> None:
        """Delete a key; programs that use it are refused from now on."""
        raise NotImplementedError
