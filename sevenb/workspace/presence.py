"""`Presence`: which servers are up that share a database, so that none takes another's running answers for left ones.

A server holds a lock for as long as it lives, which the system takes back when it dies, however that happens: of a file
beside SQLite's, of a session of PostgreSQL's. No clock has to be right for that.
"""

import contextlib
import fcntl
import glob
import hashlib
import os
import threading
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sevenb.errors import WorkspaceUnavailable
from sevenb.workspace.database import Database
from sevenb.workspace.values import new_id


class Presence:
    """That a server is up. ``id`` is None for programs that serve nobody."""

    def __init__(self, database: Database) -> None:
        self.id: str | None = None
        self._database = database
        self._guard = threading.Lock()
        self._file: int | None = None
        self._session: Connection | None = None

    def begin(self) -> None:
        """From now on, until `close`, this server is up."""
        self.id = new_id()
        self.keep()
        if self._database.is_sqlite:  # what servers that were killed left behind
            here = self._path("")
            for left in here.parent.glob(f"{glob.escape(here.name)}" + "[0-9a-f]" * 32):
                self.is_gone(left.name.removeprefix(here.name))

    def keep(self) -> None:
        """Hold the lock, again where it was lost: PostgreSQL may have been started anew."""
        with self._guard:
            if self.id is None:
                return
            if self._database.is_sqlite:
                if self._file is None:
                    self._file = _held_file(self._path(self.id))
            elif not self._is_held():
                self._session = self._hold(self.id)

    def is_gone(self, server_id: str | None) -> bool:
        """Whether a server is no longer up; True for one that nobody knows."""
        if server_id is None:
            return True
        if server_id == self.id:
            return False
        if self._database.is_sqlite:
            return _is_free(self._path(server_id))
        with self._database.read() as connection:
            query = text("SELECT pg_try_advisory_xact_lock(:key)")
            return bool(connection.execute(query, {"key": _key(server_id)}).scalar())

    def close(self) -> None:
        """This server is no longer up."""
        with self._guard:
            if self._file is not None and self.id is not None:
                self._path(self.id).unlink(missing_ok=True)
                os.close(self._file)
                self._file = None
            if self._session is not None:
                with contextlib.suppress(DBAPIError):
                    self._session.execute(text("SELECT pg_advisory_unlock_all()"))
                    self._session.close()
                self._session = None
            self.id = None

    def _path(self, server_id: str) -> Path:
        path = Path(self._database.url).resolve()
        return path.with_name(f"{path.name}-server-{server_id}")

    def _is_held(self) -> bool:
        if self._session is None:
            return False
        try:
            self._session.execute(text("SELECT 1"))
            self._session.commit()
        except DBAPIError:
            with contextlib.suppress(DBAPIError):
                self._session.close()
            self._session = None
            return False
        return True

    def _hold(self, server_id: str) -> Connection:
        with self._database.explained():
            session = self._database.session()
            try:
                # A machine that lost its power says nothing more: PostgreSQL is to notice within a minute.
                for setting, value in (("idle", 30), ("interval", 10), ("count", 3)):
                    session.execute(text(f"SET tcp_keepalives_{setting} = {value}"))
                session.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _key(server_id)})
                session.commit()
            except BaseException:
                session.close()
                raise
        return session


def _held_file(path: Path) -> int:
    """Make the file and hold its lock. It has its name from then on only: nobody finds it without a holder."""
    new = path.with_name(f"{path.name}.new")
    try:
        file = os.open(new, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        new.rename(path)
    except OSError as error:
        raise WorkspaceUnavailable(
            f"The folder {path.parent} of the database cannot be written ({error.strerror}); check its permissions."
        ) from error
    return file


def _is_free(path: Path) -> bool:
    """Whether nobody holds the file's lock; then the file is taken away."""
    try:
        file = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        path.unlink(missing_ok=True)
        return True
    finally:
        os.close(file)


def _key(server_id: str) -> int:
    return int.from_bytes(hashlib.sha256(server_id.encode()).digest()[:8], signed=True)
