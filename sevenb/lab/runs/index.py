"""`lab.db`: all runs in one SQLite table, for quick lists and for one's own questions.

The runs' folders are the truth. The table says what each ``run.json`` held when it was last looked at, and anything
that is wrong with it ends in a new one, or in doing without.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec

from sevenb.lab.runs.record import FILE, RunRecord, from_file, to_file

_BUSY_SECONDS = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY, kind TEXT, model TEXT, name TEXT, url TEXT, engine TEXT, state TEXT,
    started REAL, ended REAL, summary TEXT, record TEXT, stamp TEXT
)
"""


class RunIndex:
    """The table of one lab folder."""

    def __init__(self, path: Path) -> None:
        """Use the database at ``path``, which is made when something is put in."""
        self._path = path

    def records(self, folders: Iterable[Path], read: Callable[[Path], RunRecord | None]) -> list[RunRecord]:
        """The records of ``folders``; ``read`` is asked for those that changed since they were put in."""
        by_id = {path.name: path for path in folders}
        for _ in range(2):
            try:
                with _opened(self._path) as table:
                    return _current(table, by_id, read)
            except sqlite3.OperationalError:  # a read-only folder, a full disk, another program for too long
                break
            except sqlite3.DatabaseError:  # damaged: everything in it stands in the folders, too
                with contextlib.suppress(OSError):
                    self._path.unlink()
        return [record for path in by_id.values() if (record := read(path)) is not None]

    def put(self, record: RunRecord) -> None:
        """Note a run as it is now; where that cannot be done, `records` does it when it can."""
        with contextlib.suppress(sqlite3.Error), _opened(self._path) as table:
            _put(table, record, _stamp(record.path))


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction."""
    with contextlib.closing(sqlite3.connect(path, timeout=_BUSY_SECONDS)) as table, table:
        table.execute("PRAGMA synchronous = OFF")  # what a power cut spoils is made anew
        table.execute(_TABLE)
        yield table


def _current(
    table: sqlite3.Connection, folders: dict[str, Path], read: Callable[[Path], RunRecord | None]
) -> list[RunRecord]:
    known = {id: (stamp, text) for id, stamp, text in table.execute("SELECT id, stamp, record FROM runs")}
    for id in known.keys() - folders.keys():
        table.execute("DELETE FROM runs WHERE id = ?", (id,))
    records = []
    for id, path in folders.items():
        stamp, text = known.get(id, ("", ""))
        now = _stamp(path)
        record = _decoded(text, path) if stamp == now else None
        if record is None:
            record = read(path)
            if record is None:
                table.execute("DELETE FROM runs WHERE id = ?", (id,))
                continue
            _put(table, record, now)
        records.append(record)
    return records


def _put(table: sqlite3.Connection, record: RunRecord, stamp: str) -> None:
    engine = record.facts.engine if record.facts else None
    summary = None if record.summary is None else msgspec.json.encode(record.summary).decode()
    target = record.target
    table.execute(
        "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (record.id, record.kind, target.model, target.name, target.url, engine, record.state, record.started,
         record.ended, summary, to_file(record).decode(), stamp),
    )  # fmt: skip


def _stamp(folder: Path) -> str:
    """What changes whenever ``run.json`` is written."""
    try:
        status = (folder / FILE).stat()
    except OSError:
        return ""
    return f"{status.st_mtime_ns} {status.st_size} {status.st_ino}"


def _decoded(text: str, folder: Path) -> RunRecord | None:
    try:
        return from_file(str(text).encode(), folder)
    except msgspec.DecodeError:
        return None
