"""Comparisons: the same messages to several models, and the votes on their answers."""

from collections.abc import Sequence

from sevenb.workspace.database import Database
from sevenb.workspace.records import Comparison, NewComparisonEntry, Vote, VoteTable, Winner


class Comparisons:
    """The comparisons and votes of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str, limit: int = 200) -> Sequence[Comparison]:
        """The user's comparisons, last changed first."""
        raise NotImplementedError

    def create(self, user_id: str, entries: Sequence[NewComparisonEntry], title: str = "") -> Comparison:
        """Make a comparison of two or three entries, with a hidden chat for each."""
        raise NotImplementedError

    def get(self, user_id: str, comparison_id: str) -> Comparison:
        """One comparison."""
        raise NotImplementedError

    def update(self, user_id: str, comparison_id: str, *, title: str) -> Comparison:
        """Rename a comparison."""
        raise NotImplementedError

    def delete(self, user_id: str, comparison_id: str) -> None:
        """Delete a comparison with its chats; votes stay."""
        raise NotImplementedError

    def vote(
        self, user_id: str, comparison_id: str, message: str, answer_ids: Sequence[str | None], winner: Winner
    ) -> Vote:
        """Keep which of these answers (one an entry; None where it has none) is better.

        A second vote on the same answers takes the place of the first.
        """
        raise NotImplementedError

    def votes(self, user_id: str) -> VoteTable:
        """All votes of the user and the standings."""
        raise NotImplementedError
