"""`Draft`: a report that is being made, kept so that the same command goes on with it after a stop."""

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import NotFound
from sevenb.lab.report.places import reports_folder
from sevenb.lab.runs.files import explained, write_whole
from sevenb.lab.runs.store import RunRecord, RunStore

_FILE = "draft.json"


class _Kept(msgspec.Struct):
    """``runs``: ids by subject (its place in the command) and step."""

    wanted: dict[str, Any]
    runs: dict[str, dict[str, str]] = {}
    complete: bool = False


class Draft:
    """The finished steps of a report in the making. Its folder is the report's."""

    def __init__(self, folder: Path, kept: _Kept) -> None:
        """Use ``folder``, which need not be there."""
        self.folder = folder
        self._kept = kept

    @property
    def id(self) -> str:
        """The report's: when it was begun, and a bit of chance."""
        return self.folder.name

    def runs(self, subject: int, store: RunStore) -> dict[str, RunRecord]:
        """The finished runs of a subject by step; those that were deleted meanwhile are to be made anew."""
        found = {}
        for step, id in self._kept.runs.get(str(subject), {}).items():
            try:
                record = store.find(id)
            except NotFound:
                continue
            if record.state == "done":
                found[step] = record
        return found

    def note(self, subject: int, step: str, run: str) -> None:
        """A step is finished."""
        self._kept.runs.setdefault(str(subject), {})[step] = run
        self._write()

    def close(self) -> None:
        """Nothing is missing: the same command begins another report."""
        self._kept.complete = True
        self._write()

    def _write(self) -> None:
        with explained(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self.folder / _FILE, msgspec.json.encode(self._kept))


def draft_for(wanted: dict[str, Any], *, fresh: bool) -> Draft:
    """The newest unfinished report of the same command, or with ``fresh`` or without one, a new one."""
    wanted = msgspec.json.decode(msgspec.json.encode(wanted))
    folder = reports_folder()
    if not fresh and folder.is_dir():
        for path in sorted(folder.iterdir(), reverse=True):
            try:
                kept = msgspec.json.decode((path / _FILE).read_bytes(), type=_Kept)
            except (OSError, msgspec.MsgspecError):
                continue
            if kept.wanted == wanted and not kept.complete:
                return Draft(path, kept)
    begun = datetime.fromtimestamp(time.time(), UTC)
    return Draft(folder / f"{begun:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}", _Kept(wanted))
