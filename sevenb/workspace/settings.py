"""Settings of the server that administrators change in the page."""

from typing import Any

from sqlalchemy import delete, select

from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.values import json_object

_settings = schema.settings.c


class Settings:
    """Named JSON values."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Any | None:
        """The value, or None."""
        with self._database.read() as connection:
            return connection.execute(select(_settings.value).where(_settings.name == name)).scalar()

    def set(self, name: str, value: Any | None) -> None:
        """Keep a value; None takes it away."""
        with self._database.write() as connection:
            if value is None:
                connection.execute(delete(schema.settings).where(_settings.name == name))
                return
            kept = json_object({"value": value}, name)["value"]
            insert = self._database.insert(schema.settings).values(name=name, value=kept)
            connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_={"value": kept}))
