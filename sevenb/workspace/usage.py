"""Usage: tokens by day, user, key and model."""

from collections.abc import Sequence

from sevenb.workspace.database import Database
from sevenb.workspace.records import UsageRow, Use


class Usage:
    """One row a day, user, key and model, added up as requests end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        user_id: str | None,
        key_id: str | None,
        model: str,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        at: float | None = None,
    ) -> None:
        """Add one request."""
        self.record_all([Use(model, prompt_tokens, cached_tokens, completion_tokens, user_id, key_id, at)])

    def record_all(self, uses: Sequence[Use]) -> None:
        """Add several requests at once."""
        raise NotImplementedError

    def by_day(self, *, user_id: str | None = None, since_day: str) -> Sequence[UsageRow]:
        """Usage from a day on (``2026-11-22``, UTC), of one user or of all, oldest day first."""
        raise NotImplementedError
