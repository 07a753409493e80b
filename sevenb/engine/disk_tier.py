"""`DiskTier`: contents of KV blocks in a folder, one checked file each, so that a restart finds them."""

import logging
import os
import struct
import threading
import time
import zlib
from collections import deque
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

_HEADER = struct.Struct("<8s16sIQ")  # magic, key, CRC-32 of the contents, their length
_MAGIC = b"7B-KV\x00\x00\x01"
_SUFFIX = ".kv"

QUEUE_BYTES = 64_000_000  # of contents that wait for the disk; what is computed meanwhile is not saved
CLOSE_SECONDS = 2.0  # the patience of `DiskTier.close`
STALE_SECONDS = 3600.0  # an unfinished file of this age was left behind by a process that was killed
SECONDS_A_PLACE = 1.0  # a block counts as that much older for each block before it: a chain loses its end first


class DiskTier:
    """At most ``capacity`` bytes of files in ``folder``, the least recently used go first.

    The name of a file is its key, so any number of servers may share a folder. Files appear whole or not at all, and
    one whose checksum is wrong is deleted. Only a thread of this object's own writes. When the disk is full or denies
    access, one warning is logged and nothing more is written.

    A folder reveals to whoever reads it what was asked: it is made for its owner alone.
    """

    def __init__(self, folder: Path, capacity: int) -> None:
        self.folder = folder
        self.capacity = capacity
        self.writable = True
        self._bytes = 0  # about what the folder holds
        self._queue: deque[tuple[bytes, bytes, int]] = deque()
        self._queued_bytes = 0
        self._closing = False
        self._changed = threading.Condition()  # guards the queue
        self._writer = threading.Thread(target=self._write_queue, name="prefix cache on disk", daemon=True)
        self._writer.start()

    def put(self, key: bytes, contents: bytes, place: int) -> None:
        """Write contents soon, unless the disk lags too far behind. ``place`` counts the blocks before this one."""
        with self._changed:
            if self.writable and self._queued_bytes + len(contents) <= QUEUE_BYTES:
                self._queue.append((key, contents, place))
                self._queued_bytes += len(contents)
                self._changed.notify_all()

    def touch(self, key: bytes, place: int) -> bool:
        """Note that a key is used; False where there is no file of it."""
        try:
            _mark_used(self._path(key), place)
        except OSError:
            return False
        return True

    def get(self, key: bytes, place: int) -> bytes | None:
        """The contents of a key, which is used again just now; None where there is no sound file."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                header = file.read(_HEADER.size)
                contents = file.read()
        except OSError:
            return None
        checksum, length = zlib.crc32(contents), len(contents)
        with suppress(OSError):
            if header != _HEADER.pack(_MAGIC, key, checksum, length):
                logger.warning("Deleted %s from the prefix cache: it is damaged", path)
                path.unlink()
                return None
            _mark_used(path, place)
        return contents

    def close(self) -> None:
        """Write what waits, if that does not take long, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._writer.join(CLOSE_SECONDS)

    # -- the writer's thread ---------------------------------------------------------------------------

    def _write_queue(self) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._bytes = sum(size for _, size, _ in self._scan())
            while (entry := self._next()) is not None:
                self._write(*entry)
                if self._bytes > self.capacity:
                    self._shrink()
        except OSError as error:
            logger.warning(
                "The prefix cache is no longer written to %s (%s); free space or name another folder, and restart.",
                self.folder,
                error.strerror or error,
            )
            with self._changed:
                self.writable = False
                self._queue.clear()
                self._queued_bytes = 0

    def _next(self) -> tuple[bytes, bytes, int] | None:
        with self._changed:
            while not self._queue and not self._closing:
                self._changed.wait()
            if not self._queue:
                return None
            entry = self._queue.popleft()
            self._queued_bytes -= len(entry[1])
            return entry

    def _write(self, key: bytes, contents: bytes, place: int) -> None:
        path = self._path(key)
        header = _HEADER.pack(_MAGIC, key, zlib.crc32(contents), len(contents))
        path.parent.mkdir(mode=0o700, exist_ok=True)
        unfinished = path.with_suffix(f".{os.getpid()}-{id(self):x}")
        try:
            with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb", buffering=0) as file:
                for part in (header, contents):
                    view = memoryview(part)
                    while view:
                        view = view[file.write(view) :]
            _mark_used(unfinished, place)
            unfinished.rename(path)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._bytes += _HEADER.size + len(contents)

    def _shrink(self) -> None:
        """Delete what was used least recently, and a tenth more than needed so that this stays rare."""
        files = sorted(self._scan())
        self._bytes = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._bytes <= self.capacity * 0.9:
                break
            with suppress(FileNotFoundError):
                os.unlink(path)
            self._bytes -= size

    def _scan(self) -> list[tuple[float, int, str]]:
        """Time of last use, size and path of every file, whoever wrote it; leftovers of the killed are deleted."""
        files = []
        for folder in self.folder.iterdir():
            if not folder.is_dir():
                continue
            for entry in os.scandir(folder):
                with suppress(FileNotFoundError):
                    state = entry.stat()
                    if entry.name.endswith(_SUFFIX):
                        files.append((state.st_mtime, state.st_size, entry.path))
                    elif time.time() - state.st_ctime > STALE_SECONDS:
                        os.unlink(entry.path)
        return files

    def _path(self, key: bytes) -> Path:
        name = key.hex()
        return self.folder / name[:2] / (name + _SUFFIX)


def _mark_used(path: Path, place: int) -> None:
    used = time.time() - place * SECONDS_A_PLACE
    os.utime(path, (used, used))
