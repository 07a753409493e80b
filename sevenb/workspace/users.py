"""Accounts: names, passwords, roles, and the local user of a server without any."""

from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.workspace.database import Database
from sevenb.workspace.records import Role, User


class Users:
    """The accounts. At least one enabled administrator always remains: what would end that is a `Conflict`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, password: str, role: Role = "user") -> User:
        """Make an account. The name is unique without regard to case; InvalidRequest says what is wrong with either."""
        raise NotImplementedError

    def create_first(self, name: str, password: str) -> User:
        """Make the first administrator, who inherits what the local user has; Conflict where there are accounts."""
        raise NotImplementedError

    def authenticate(self, name: str, password: str) -> User | None:
        """The enabled user who signs in with these; unknown names take as long as wrong passwords."""
        raise NotImplementedError

    def get(self, user_id: str) -> User:
        """Return one user."""
        raise NotImplementedError

    def find(self, name: str) -> User | None:
        """Find the account of this name, in any case."""
        raise NotImplementedError

    def list(self) -> Sequence[User]:
        """All accounts by name, without the local user."""
        raise NotImplementedError

    def count(self) -> int:
        """How many accounts there are, the local user apart."""
        raise NotImplementedError

    def update(
        self, user_id: str, *, name: str | None = None, role: Role | None = None, disabled: bool | None = None
    ) -> User:
        """Change what is given. A user who becomes disabled is signed out everywhere."""
        raise NotImplementedError

    def set_password(self, user_id: str, password: str) -> None:
        """Change the password. Sessions stay: see `Sessions.revoke_all`."""
        raise NotImplementedError

    def check_password(self, user_id: str, password: str) -> bool:
        """Whether this is the user's password."""
        raise NotImplementedError

    def delete(self, user_id: str) -> None:
        """Delete a user with chats, keys, sessions and usage."""
        raise NotImplementedError

    def local(self) -> User:
        """The single user of a server without accounts, made when first asked for."""
        raise NotImplementedError

    def adopt_local(self, user_id: str) -> None:
        """Give the local user's chats, folders, personas and comparisons to this user."""
        raise NotImplementedError

    def preferences(self, user_id: str) -> dict[str, Any]:
        """What the user set in the page."""
        raise NotImplementedError

    def set_preferences(self, user_id: str, changes: Mapping[str, Any]) -> dict[str, Any]:
        """Change some preferences and return all; None takes one away."""
        raise NotImplementedError
