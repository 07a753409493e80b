"""Personas: system prompts with settings, to begin chats with."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.failures import unique
from sevenb.workspace.records import Persona
from sevenb.workspace.values import clean, json_object, name_of, new_id

MAX_PERSONAS = 1000  # of one user
MAX_SYSTEM = 200_000  # characters

_personas = schema.personas.c
_fields = (_personas.id, _personas.name, _personas.system, _personas.settings)


class Personas:
    """The personas of all users; names are unique within a user's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str) -> Sequence[Persona]:
        """The user's personas by name."""
        with self._database.read() as connection:
            rows = connection.execute(select(*_fields).where(_personas.user_id == user_id)).all()
        return sorted((Persona(*row) for row in rows), key=lambda persona: persona.name.casefold())

    def create(self, user_id: str, name: str, system: str = "", settings: Mapping[str, Any] | None = None) -> Persona:
        """Make a persona."""
        persona = Persona(new_id(), name_of(name), _system(system), json_object(settings or {}, "settings"))
        row = {"name": persona.name, "system": persona.system, "settings": persona.settings}
        with self._database.write() as connection:
            count = select(func.count()).where(_personas.user_id == user_id)
            if connection.execute(count).scalar_one() >= MAX_PERSONAS:
                raise InvalidRequest(f"There are {MAX_PERSONAS} personas already; delete one that is not needed.")
            with unique(_taken(persona.name)):
                connection.execute(schema.personas.insert().values(id=persona.id, user_id=user_id, **row))
        return persona

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
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = name_of(name)
        if system is not None:
            changes["system"] = _system(system)
        if settings is not None:
            changes["settings"] = json_object(settings, "settings")
        mine = (_personas.id == persona_id) & (_personas.user_id == user_id)
        with self._database.write() as connection:
            if changes:
                with unique(_taken(changes.get("name", ""))):
                    connection.execute(update(schema.personas).where(mine).values(**changes))
            return _get(connection, user_id, persona_id)

    def delete(self, user_id: str, persona_id: str) -> None:
        """Delete a persona."""
        with self._database.write() as connection:
            _get(connection, user_id, persona_id)
            connection.execute(delete(schema.personas).where(_personas.id == persona_id))


def _get(connection: Connection, user_id: str, persona_id: str) -> Persona:
    mine = (_personas.id == persona_id) & (_personas.user_id == user_id)
    row = connection.execute(select(*_fields).where(mine)).one_or_none()
    if row is None:
        raise NotFound("There is no such persona.")
    return Persona(*row)


def _system(text: str) -> str:
    if len(text) > MAX_SYSTEM:
        raise InvalidRequest(f"A system prompt has at most {MAX_SYSTEM} characters; shorten it.", "system")
    return clean(text)


def _taken(name: str) -> str:
    return f"There is a persona {name} already; choose another name."
