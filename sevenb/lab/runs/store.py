"""`RunStore`: the runs that are kept on this machine, to go on with, to look up and to compare."""

import contextlib
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import NotFound, RunDamaged
from sevenb.lab.runs import samples as samples_file
from sevenb.lab.runs.files import explained, write_whole
from sevenb.lab.runs.machine import sevenb_version, this_machine
from sevenb.lab.runs.record import FILE, RunRecord, from_file, plain, run_target, to_file
from sevenb.lab.runs.run import Run
from sevenb.lab.target.target import Target, TargetFacts

__all__ = ["Run", "RunRecord", "RunStore", "lab_folder"]


def lab_folder() -> Path:
    """``SEVENB_LAB``, else ``$XDG_DATA_HOME/sevenb/lab``, that is ``~/.local/share/sevenb/lab``."""
    given = os.environ.get("SEVENB_LAB")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sevenb" / "lab"


class RunStore:
    """The runs in a folder; any number of programs may use it at once."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use ``folder``, or `lab_folder`; it is made when the first run begins."""
        self.folder = folder or lab_folder()
        self._runs = self.folder / "runs"

    def begin(
        self,
        kind: str,
        target: Target,
        facts: TargetFacts | None,
        settings: Mapping[str, Any],
        *,
        fresh: bool = False,
    ) -> Run:
        """Go on with the newest unfinished run of the same work, or with ``fresh`` or without one, begin another.

        The same work: kind, model, server (by its URL, or of sevenb's own on this machine by what it says of itself),
        settings, version of sevenb, processor and cores.
        """
        machine = this_machine()
        record = RunRecord(
            id=secrets.token_hex(4), kind=kind, target=run_target(target), facts=facts, settings=plain(settings),
            machine=plain(machine), sevenb=sevenb_version(), started=time.time(),
        )  # fmt: skip
        for earlier in [] if fresh else self.records(kind):
            if earlier.state == "stopped" and earlier.is_same_work_as(record):
                with contextlib.suppress(BlockingIOError):  # another program went on with it just now
                    return self._go_on(earlier, record)
        return self._begin(record)

    def find(self, name: str) -> RunRecord:
        """The run with this id, or with the only one that begins so."""
        folders = {path.name: path for path in self._folders()}
        found = [path for id, path in folders.items() if id == name] or [
            path for id, path in folders.items() if name and id.startswith(name)
        ]
        if len(found) == 1:
            return self._read(found[0])
        if found:
            raise NotFound(f"Several runs begin with {name}: {', '.join(sorted(path.name for path in found))}.")
        raise NotFound(f"There is no run {name!r}; sevenb runs lists those that are kept.")

    def records(self, kind: str | None = None) -> list[RunRecord]:
        """All runs that can be read, newest first."""
        records = []
        for path in self._folders():
            with contextlib.suppress(RunDamaged):
                records.append(self._read(path))
        chosen = [record for record in records if kind is None or record.kind == kind]
        return sorted(chosen, key=lambda record: record.started, reverse=True)

    def samples(self, record: RunRecord) -> dict[str, dict[str, Any]]:
        """What a run kept, by key."""
        return {sample["key"]: sample for sample in samples_file.read(record.path / samples_file.FILE)}

    def remove(self, id: str) -> None:
        """Delete a run with its samples."""
        path = self._runs / id
        if path not in self._folders():
            raise NotFound(f"There is no run {id!r}; sevenb runs lists those that are kept.")
        with explained(path):
            shutil.rmtree(path)

    def _begin(self, record: RunRecord) -> Run:
        path = self._runs / record.id
        record.folder = str(path)
        with explained(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.mkdir(parents=True)
            run = Run(record)  # holds it before anybody can see it
            write_whole(path / FILE, to_file(record))
        return run

    def _go_on(self, earlier: RunRecord, now: RunRecord) -> Run:
        record = msgspec.structs.replace(
            earlier, target=now.target, facts=now.facts, sevenb=now.sevenb, state="running", ended=None,
            sessions=earlier.sessions + 1,
        )  # fmt: skip
        run = Run(record)
        with explained(record.path):
            write_whole(record.path / FILE, to_file(record))
        return run

    def _folders(self) -> list[Path]:
        try:
            return [path for path in self._runs.iterdir() if path.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _read(self, path: Path) -> RunRecord:
        try:
            record = from_file((path / FILE).read_bytes(), path)
        except (OSError, msgspec.DecodeError) as error:
            raise RunDamaged(
                f"The run {path.name} cannot be read ({error}); its samples are in {path / samples_file.FILE}."
            ) from error
        if record.state == "running" and not samples_file.held(path / samples_file.FILE):
            record.state = "stopped"
        return record
