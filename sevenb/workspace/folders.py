"""Folders of chats."""

from collections.abc import Sequence

from sqlalchemy import Connection, Select, delete, func, select, update

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import schema
from sevenb.workspace.chat_rows import listed
from sevenb.workspace.database import Database
from sevenb.workspace.failures import unique
from sevenb.workspace.records import Folder
from sevenb.workspace.values import name_of, new_id

MAX_FOLDERS = 1000  # of one user

_folders = schema.folders.c
_chats = schema.chats.c


class Folders:
    """The folders of all users; names are unique within a user's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def list(self, user_id: str) -> Sequence[Folder]:
        """The user's folders by name."""
        with self._database.read() as connection:
            rows = connection.execute(_counted().where(_folders.user_id == user_id)).all()
        return sorted((Folder(*row) for row in rows), key=lambda folder: folder.name.casefold())

    def create(self, user_id: str, name: str) -> Folder:
        """Make a folder."""
        folder = Folder(new_id(), name_of(name))
        with self._database.write() as connection:
            _insert(connection, user_id, folder)
        return folder

    def update(self, user_id: str, folder_id: str, *, name: str) -> Folder:
        """Rename a folder."""
        name = name_of(name)
        mine = (_folders.id == folder_id) & (_folders.user_id == user_id)
        with self._database.write() as connection:
            with unique(_taken(name)):
                renamed = connection.execute(update(schema.folders).where(mine).values(name=name))
            if not renamed.rowcount:
                raise NotFound("There is no such folder.")
            return Folder(*connection.execute(_counted().where(mine)).one())

    def delete(self, user_id: str, folder_id: str) -> None:
        """Delete a folder; its chats stay."""
        mine = (_folders.id == folder_id) & (_folders.user_id == user_id)
        with self._database.write() as connection:
            if not connection.execute(delete(schema.folders).where(mine)).rowcount:
                raise NotFound("There is no such folder.")


def folder_named(connection: Connection, user_id: str, name: str) -> str | None:
    """The id of the user's folder of this name, made where there is none; None where it cannot be a name."""
    try:
        name = name_of(name)
        mine = (_folders.user_id == user_id) & (_folders.name == name)
        found: str | None = connection.execute(select(_folders.id).where(mine)).scalar()
        if found is None:
            found = new_id()
            _insert(connection, user_id, Folder(found, name))
    except InvalidRequest:
        return None
    return found


def _counted() -> Select[str, str, int]:
    count = select(func.count()).where(_chats.folder_id == _folders.id, *listed).scalar_subquery()
    return select(_folders.id, _folders.name, count)


def _insert(connection: Connection, user_id: str, folder: Folder) -> None:
    count = select(func.count()).where(_folders.user_id == user_id)
    if connection.execute(count).scalar_one() >= MAX_FOLDERS:
        raise InvalidRequest(f"There are {MAX_FOLDERS} folders already; delete one that is not needed.")
    with unique(_taken(folder.name)):
        connection.execute(schema.folders.insert().values(id=folder.id, user_id=user_id, name=folder.name))


def _taken(name: str) -> str:
    return f"There is a folder {name} already; choose another name."
