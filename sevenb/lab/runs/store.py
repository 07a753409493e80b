"""`RunStore`: the runs that are kept on this machine, to go on with, to look up and to compare."""

import contextlib
import secrets
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from sevenb.errors import Conflict, NotFound, RunDamaged, StorageDenied
from sevenb.lab.folder import lab_folder
from sevenb.lab.runs import samples as samples_file
from sevenb.lab.runs.files import explained
from sevenb.lab.runs.index import RunIndex
from sevenb.lab.runs.machine import sevenb_version, this_machine
from sevenb.lab.runs.record import FILE, RunRecord, from_file, plain, run_target
from sevenb.lab.runs.run import Run
from sevenb.lab.target.target import Target, TargetFacts

__all__ = ["Run", "RunRecord", "RunStore", "lab_folder"]


class RunStore:
    """The runs in a folder; any number of programs may use it at once."""

    def __init__(self, folder: Path | None = None) -> None:
        """Use ``folder``, or `lab_folder`; it is made when the first run begins."""
        self.folder = folder or lab_folder()
        self._runs = self.folder / "runs"
        self._index = RunIndex(self.folder / "lab.db")

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
            warnings=(machine.warning,) if machine.warning else (),
        )  # fmt: skip
        for earlier in [] if fresh else self.records(kind):
            if earlier.state == "stopped" and earlier.is_same_work_as(record):
                with contextlib.suppress(BlockingIOError):  # another program went on with it just now
                    return self._go_on(earlier, record)
        return self._begin(record)

    def find(self, name: str) -> RunRecord:
        """The run with this id, or with the only one that begins so."""
        return self._read(self._folder_of(name))

    def records(self, kind: str | None = None) -> list[RunRecord]:
        """All runs that can be read, newest first."""
        records = self._index.records(self._folders(), self._readable)
        for record in records:
            _look_whether_it_runs(record)
        chosen = [record for record in records if kind is None or record.kind == kind]
        return sorted(chosen, key=lambda record: record.started, reverse=True)

    def damaged(self) -> list[str]:
        """A sentence for each run that cannot be read."""
        sentences = []
        for path in self._folders():
            try:
                self._read(path)
            except RunDamaged as error:
                sentences.append(str(error))
        return sentences

    def samples(self, record: RunRecord) -> dict[str, dict[str, Any]]:
        """What a run kept, by key; of one under way, what it kept so far."""
        return {sample["key"]: sample for sample in samples_file.read(record.path / samples_file.FILE)}

    def remove(self, id: str) -> str:
        """Delete a run with its samples; its whole id."""
        path = self._folder_of(id)
        if samples_file.held(path / samples_file.FILE):
            raise Conflict(f"The run {path.name} is under way; stop it first.")
        with explained(path):
            hidden = path.rename(path.with_name(f".{path.name}"))  # so that nobody sees half of it
            shutil.rmtree(hidden)
        return path.name

    def _begin(self, record: RunRecord) -> Run:
        record.folder = str(self._runs / record.id)
        with explained(self.folder):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            record.path.mkdir(parents=True)
            return self._start(record)

    def _start(self, record: RunRecord) -> Run:
        run = Run(record, self._index.put)  # from here on it is ours
        try:
            run.begin()
        except BaseException:
            run.close()
            raise
        return run

    def _go_on(self, earlier: RunRecord, now: RunRecord) -> Run:
        return self._start(
            msgspec.structs.replace(
                earlier, target=now.target, facts=now.facts, sevenb=now.sevenb, state="running", ended=None,
                sessions=earlier.sessions + 1, warnings=tuple(dict.fromkeys((*earlier.warnings, *now.warnings))),
            )
        )  # fmt: skip

    def _folders(self) -> list[Path]:
        try:
            paths = [path for path in self._runs.iterdir() if not path.name.startswith(".") and path.is_dir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except PermissionError:
            raise StorageDenied(
                f"{self._runs} cannot be read by this user; make it readable, or set SEVENB_LAB to another folder."
            ) from None
        # One that has neither is being made at this moment, or its maker was killed before it measured anything.
        return [path for path in paths if (path / FILE).exists() or _size(path / samples_file.FILE)]

    def _folder_of(self, name: str) -> Path:
        folders = self._folders()
        found = [path for path in folders if path.name == name] or [
            path for path in folders if name and path.name.startswith(name)
        ]
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(sorted(path.name for path in found))
            raise NotFound(f"Several runs begin with {name!r}: {ids}; give more of the one that is meant.")
        raise NotFound(f"There is no run {name!r}; sevenb runs lists those that are kept.")

    def _read(self, path: Path) -> RunRecord:
        try:
            record = from_file((path / FILE).read_bytes(), path)
        except FileNotFoundError:
            raise RunDamaged(
                f"The run {path.name} has lost its {FILE}; its samples are in {path / samples_file.FILE}."
            ) from None
        except (OSError, ValueError) as error:
            raise RunDamaged(
                f"{path / FILE} cannot be read ({error}); put it right, or delete it with: sevenb runs rm {path.name}"
            ) from error
        return _look_whether_it_runs(record)

    def _readable(self, path: Path) -> RunRecord | None:
        try:
            return self._read(path)
        except RunDamaged:
            return None


def _look_whether_it_runs(record: RunRecord) -> RunRecord:
    """A program that was killed could not say that it stopped."""
    if record.state == "running" and not samples_file.held(record.path / samples_file.FILE):
        record.state = "stopped"
    return record


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
