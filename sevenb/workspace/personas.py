"""Personas: system prompts with settings, to begin chats with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sevenb.workspace.database import Database
from sevenb.workspace.records import Persona


class Personas:
    """The personas of all users; names are unique within a user's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str) -> Sequence[Persona]:
        """The user's personas by name."""
        raise NotImplementedError

    def create(self, user_id: str, name: str, system: str = "", settings: Mapping[str, Any] | None = None) -> Persona:
        """Make a persona."""
        raise NotImplementedError

    def update(
        self,
        user_id: str,
        persona_id: str,
        *,
        name: str | None = None,
        system: str | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> Persona:
        """Change what is given."""
        raise NotImplementedError

    def delete(self, user_id: str, persona_id: str) -> None:
        """Delete a persona."""
        raise NotImplementedError
