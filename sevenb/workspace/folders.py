"""Folders of chats."""

from collections.abc import Sequence

from sevenb.workspace.database import Database
from sevenb.workspace.records import Folder


class Folders:
    """The folders of all users; names are unique within a user's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str) -> Sequence[Folder]:
        """The user's folders by name."""
        raise NotImplementedError

    def create(self, user_id: str, name: str) -> Folder:
        """Make a folder."""
        raise NotImplementedError

    def update(self, user_id: str, folder_id: str, *, name: str) -> Folder:
        """Rename a folder."""
        raise NotImplementedError

    def delete(self, user_id: str, folder_id: str) -> None:
        """Delete a folder; its chats stay."""
        raise NotImplementedError
