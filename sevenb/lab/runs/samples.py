"""`samples.jsonl`: one JSON object a line, each on the disk before the next is measured."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

FILE = "samples.jsonl"


class SamplesFile:
    """The file of a run that is under way. Only one program at a time has it open so; see `held`."""

    def __init__(self, path: Path) -> None:
        """Open or create it, and drop a last line that was never finished; `BlockingIOError`: another has it."""
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
            self._length = self._drop_torn_line()
        except BaseException:
            os.close(self._file)
            raise

    def append(self, line: bytes) -> None:
        """Add a whole line, or nothing: where the disk is full the file stays as it was."""
        content = line + b"\n"
        try:
            written = 0
            while written < len(content):
                written += os.pwrite(self._file, content[written:], self._length + written)
        except OSError:
            os.ftruncate(self._file, self._length)
            raise
        self._length += len(content)

    def sync(self) -> None:
        """Wait until a power cut takes nothing away either."""
        os.fsync(self._file)

    def close(self) -> None:
        """Let others have it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _drop_torn_line(self) -> int:
        length = os.fstat(self._file).st_size
        end = length
        while end:
            start = max(0, end - 65536)
            newline = os.pread(self._file, end - start, start).rfind(b"\n")
            if newline >= 0:
                end = start + newline + 1
                break
            end = start
        if end < length:
            os.ftruncate(self._file, end)
        return end


def held(path: Path) -> bool:
    """Whether a living program has the file open to add to it."""
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks
        return False
    finally:
        os.close(file)
    return False


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The samples in the order in which they were kept, also of a run under way; lines that are none are left out."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    for line in content[: content.rfind(b"\n") + 1].splitlines():
        try:
            sample = json.loads(line)
        except (ValueError, RecursionError):  # damaged on the disk or by hand: that item is measured again
            continue
        if isinstance(sample, dict) and isinstance(sample.get("key"), str):
            yield sample


def encode(key: str, sample: Mapping[str, Any]) -> bytes:
    """A sample as its line. What JSON does not know (lone surrogates, infinities) becomes ``?`` and null."""
    fields = {**sample, "key": key}
    try:
        return msgspec.json.encode(fields)
    except UnicodeEncodeError:
        text = json.dumps(msgspec.to_builtins(fields))
        finite = json.loads(text, parse_constant=lambda _: None)
        return json.dumps(finite, ensure_ascii=False).encode(errors="replace")


def _lock(file: int) -> None:
    """Take the lock; those who only look hold it for an instant, so one refusal is no answer."""
    for left in range(20, -1, -1):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise
            time.sleep(0.01)
        except OSError:  # a file system without locks: two programs at once are then the user's to avoid
            return
        else:
            return
