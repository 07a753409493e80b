"""`Run`: a measurement under way, which keeps each sample as it comes and goes on where an earlier session stopped."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import msgspec

from sevenb.lab.runs import samples as samples_file
from sevenb.lab.runs.files import explained, write_whole
from sevenb.lab.runs.record import FILE, RunRecord, plain, to_file


class Run:
    """One run that this process adds to; made by `RunStore.begin`.

    A context manager: leaving it without `finish`, by an exception or not, leaves the run "stopped" with all that was
    kept. `keep` may be called from any thread.
    """

    def __init__(self, record: RunRecord, written: Callable[[RunRecord], None] = lambda record: None) -> None:
        """Take the run's samples; `BlockingIOError`: another program is adding to them. ``written`` is told of it."""
        self.record = record
        self._written = written
        self._guard = threading.Lock()
        with explained(record.path):
            self._file = samples_file.SamplesFile(record.path / samples_file.FILE)
        self._samples = {sample["key"]: sample for sample in samples_file.read(record.path / samples_file.FILE)}

    @property
    def samples(self) -> dict[str, dict[str, Any]]:
        """What was kept, by key, in earlier sessions too."""
        return self._samples

    def keep(self, key: str, sample: Mapping[str, Any]) -> None:
        """Add a sample, which from now on no crash of this program takes away; a key kept again replaces the first."""
        line = samples_file.encode(key, sample)
        with self._guard:
            with explained(self.record.path):
                self._file.append(line)
            self._samples[key] = msgspec.json.decode(line)

    def begin(self) -> None:
        """Write that it is under way."""
        self._write(state="running", ended=None)

    def finish(self, summary: msgspec.Struct) -> None:
        """Write what it comes to: the run is done."""
        with explained(self.record.path):
            self._file.sync()
        self._write(state="done", ended=time.time(), summary=plain(summary))

    def close(self) -> None:
        """Let other programs go on with it, if it is not done."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if self.record.state != "done":
                with contextlib.suppress(Exception):  # unwritten, it reads as stopped all the same
                    self._write(state="stopped", ended=time.time())
        finally:
            self.close()

    def _write(self, **changes: Any) -> None:
        record = msgspec.structs.replace(self.record, **changes)
        with explained(record.path):
            write_whole(record.path / FILE, to_file(record))
        self.record = record
        self._written(record)
