"""A small database that foreign SQL may read and nothing else: no writes, no files, no more time than it is given."""

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import msgspec

SECONDS = 2.0
MOST_ROWS = 1000
_STEPS_BETWEEN_LOOKS = 1000
_ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE}
# They reach out of the database, or make values that eat the memory.
_FORBIDDEN_FUNCTIONS = {"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zeroblob", "randomblob"}
_MOST_VALUE = 100_000  # bytes of one value


class QueryFailed(Exception):
    """A query is no valid one, does what it may not, or takes too long. ``str(error)`` says which."""


class Rows(msgspec.Struct, frozen=True):
    """What a query gave: rows in their order."""

    rows: tuple[tuple[Any, ...], ...]


def query(script: str, sql: str, seconds: float = SECONDS) -> Rows:
    """Make a database in memory with ``script``, which is ours, and ask it ``sql``, which may be anybody's."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(script)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_authorizer(_authorize)
        deadline = time.monotonic() + seconds
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS_BETWEEN_LOOKS)
        rows = connection.execute(sql).fetchmany(MOST_ROWS + 1)
    except sqlite3.OperationalError as error:
        raise QueryFailed(
            f"it took longer than {seconds:g} s" if "interrupted" in str(error) else str(error)
        ) from error
    except (sqlite3.Error, sqlite3.Warning, ValueError, MemoryError) as error:
        raise QueryFailed(str(error) or type(error).__name__) from error
    finally:
        connection.close()
    if len(rows) > MOST_ROWS:
        raise QueryFailed(f"it gives more than {MOST_ROWS} rows")
    return Rows(tuple(tuple(row) for row in rows))


def same_rows(found: Rows, right: Rows, *, ordered: bool) -> bool:
    """Whether the values are the same, whatever columns are called; numbers to one part in a million."""
    if not ordered:
        found, right = (Rows(tuple(sorted(each.rows, key=_sorting))) for each in (found, right))
    return len(found.rows) == len(right.rows) and all(
        len(one) == len(other) and all(map(_same, one, other))
        for one, other in zip(found.rows, right.rows, strict=True)
    )


def _authorize(action: int, first: str | None, second: str | None, *_: Any) -> int:
    if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FORBIDDEN_FUNCTIONS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1e-6 * max(1.0, abs(other))
    return bool(one == other)


def _sorting(row: Sequence[Any]) -> list[tuple[int, float, str]]:
    # Rounded, so that a total that differs in its last bit sorts to the same place.
    return [
        (0, 0.0, "")
        if value is None
        else (1, round(value, 4), "")
        if isinstance(value, int | float)
        else (2, 0.0, str(value))
        for value in row
    ]
