"""What a database reports, as one of our errors in one sentence."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from sevenb.errors import Conflict, InvalidRequest, NotFound, SevenbError, StorageFull, WorkspaceUnavailable

_NO_ROOM = 1 << 20  # bytes; with less than this a failed write is a full disk
_NOT_ALLOWED = "42501"
_UNKEPT = ("22P05", "22021", "22003")  # a character that cannot be, a number that is too large


@contextlib.contextmanager
def unique(message: str) -> Iterator[None]:
    """Say this in a `Conflict` where a row is already there."""
    try:
        yield
    except IntegrityError as error:
        if "unique" in str(error.orig).lower():
            raise Conflict(message) from error
        raise


def explain(error: DBAPIError, where: str) -> Exception:
    """The sentence for an error of the driver; a mistake of ours as it is. ``where``: the database, no password."""
    state = getattr(error.orig, "sqlstate", None)
    if isinstance(error, DataError) and (state is None or state in _UNKEPT):
        return unkept()
    if isinstance(error, ProgrammingError | DataError) and state != _NOT_ALLOWED:
        return error
    reason = str(error.orig).strip().partition("\n")[0]
    told = reason.lower()
    return _explained(told, reason, state, where)


def unkept() -> InvalidRequest:
    """For values that no database takes: NUL in a text, half a character, a number without end."""
    return InvalidRequest("A value holds a character or a number that cannot be kept; send it without.")


def _explained(told: str, reason: str, state: str | None, where: str) -> SevenbError:
    if state == "53100" or "disk is full" in told or (told == "disk i/o error" and _is_full(where)):
        return StorageFull(f"The disk of the database {where} is full; nothing was changed. Make room and try again.")
    if "foreign key" in told:
        return NotFound("What this belongs to was deleted meanwhile.")
    if state in ("55P03", "40P01", "40001") or "database is locked" in told or "table is locked" in told:
        return WorkspaceUnavailable(f"The database {where} is locked by another program; try again in a moment.")
    if "not a database" in told or "malformed" in told:
        return WorkspaceUnavailable(
            f"The database {where} is damaged or no database at all; restore a copy, or move it away to begin anew."
        )
    if "readonly" in told or "read-only" in told or state == _NOT_ALLOWED:
        return WorkspaceUnavailable(f"The database {where} cannot be written ({reason}); check its permissions.")
    return WorkspaceUnavailable(f"The database {where} does not work ({reason}); check that it is there and running.")


def _is_full(where: str) -> bool:
    try:
        return shutil.disk_usage(Path(where).parent).free < _NO_ROOM
    except OSError:
        return False
