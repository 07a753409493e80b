"""The database under the workspace: SQLite or PostgreSQL, and its transactions."""

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy import URL, Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from sevenb.errors import WorkspaceUnavailable
from sevenb.workspace import upgrade
from sevenb.workspace.failures import explain, unkept
from sevenb.workspace.location import create_file, shown

BUSY_SECONDS = 15  # how long a transaction waits for those before it
CONNECTIONS = 8
MORE_CONNECTIONS = 24  # while many requests come at once


class Database:
    """An open database, for any number of threads."""

    def __init__(self, url: URL) -> None:
        """Connect, and bring the tables up to date."""
        self.url = shown(url)
        self.is_sqlite = url.get_backend_name() == "sqlite"
        # SQLite lets one transaction write at a time, and has the others ask again and again: threads queue here.
        self._writing = threading.Lock() if self.is_sqlite else None
        self._engine = _sqlite_engine(url) if self.is_sqlite else _postgresql_engine(url)
        try:
            with self.read() as connection:
                current = upgrade.is_current(connection)
            if not current:
                with self.write() as connection:
                    upgrade.upgrade(connection, self.url)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give all connections back."""
        self._engine.dispose()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads."""
        with self.explained(), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction that may write, whole or not at all. Never one inside another."""
        with self.explained(), self._turn(), self._engine.connect() as connection:
            connection.execution_options(sevenb_writes=True)
            with connection.begin():
                yield connection

    def session(self) -> Connection:
        """A connection of one's own, outside of transactions and of the pool's count, for as long as it is needed."""
        with self.explained():
            connection = self._engine.connect()
            connection.detach()
            return connection

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that can say ``on_conflict_do_update``."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if self._writing is None:
            yield
            return
        if not self._writing.acquire(timeout=BUSY_SECONDS):
            raise _busy(self.url)
        try:
            yield
        finally:
            self._writing.release()

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn errors of the driver into ours, of one sentence."""
        try:
            yield
        except DBAPIError as error:
            told = explain(error, self.url)
            if told is error:
                raise
            raise told from error
        except (StatementError, UnicodeEncodeError, OverflowError) as error:
            cause = error.orig if isinstance(error, StatementError) else error
            if not isinstance(cause, UnicodeEncodeError | OverflowError):
                raise
            raise unkept() from error
        except PoolTimeout as error:
            raise _busy(self.url) from error


def _busy(where: str) -> WorkspaceUnavailable:
    return WorkspaceUnavailable(f"The database {where} is busy; try again in a moment.")


def _sqlite_engine(url: URL) -> Engine:
    create_file(url)
    engine = create_engine(
        url, pool_size=CONNECTIONS, max_overflow=MORE_CONNECTIONS, connect_args={"timeout": BUSY_SECONDS}
    )

    # Transactions are begun here and not by the driver, which would begin them late, and none for CREATE TABLE.
    @event.listens_for(engine, "connect")
    def on_connect(connection: sqlite3.Connection, _: Any) -> None:
        connection.isolation_level = None
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "cache_size = -16000"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def on_begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("sevenb_writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgresql_engine(url: URL) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=CONNECTIONS,
            max_overflow=MORE_CONNECTIONS,
            pool_pre_ping=True,
            connect_args={"connect_timeout": BUSY_SECONDS},
        )
    except ImportError as error:
        raise WorkspaceUnavailable(
            "PostgreSQL needs a driver that is not installed; run: pip install 'sevenb[postgres]'"
        ) from error

    @event.listens_for(engine, "connect")
    def on_connect(connection: Any, _: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = '{BUSY_SECONDS}s'")
        connection.commit()

    return engine
