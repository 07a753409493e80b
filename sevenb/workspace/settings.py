"""Settings of the server that administrators change in the page."""

from typing import Any

from sevenb.workspace.database import Database


class Settings:
    """Named JSON values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Any | None:
        """The value, or None."""
        raise NotImplementedError

    def set(self, name: str, value: Any | None) -> None:
        """Keep a value; None takes it away."""
        raise NotImplementedError
