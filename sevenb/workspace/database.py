"""The database under the workspace: SQLite or PostgreSQL, its transactions, and its errors as sentences."""


class Database:
    """An open database."""

    url: str

    def close(self) -> None:
        """Give all connections back."""
