"""`Blobs`: whole files under the names of their SHA-256, verified before they are used, shared by all models."""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

from sevenb.errors import HashMismatch, ModelNotFound, StorageFull
from sevenb.model.download import CHUNK_BYTES, PartialFile, Progress, Source, SourceUnavailable, storage_errors
from sevenb.model.origins import ModelFile
from sevenb.model.stored_model import StoredFile
from sevenb.model.whole_file import write_atomically

_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")

SPARE_BYTES = 64 << 20  # disk that a download leaves free


class Blobs:
    """The files below a store's home, whole and on their way. Safe to use from several processes at once."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def path(self, sha256: str) -> Path:
        """Where a whole file of this hash lies, or would lie."""
        return self._home / "blobs" / sha256

    def has(self, sha256: str) -> bool:
        """Whether a file of this hash is here, whole."""
        return self.path(sha256).exists()

    def disk_use(self) -> int:
        """Bytes that all files take, partial and bad ones included."""
        with storage_errors(self._home):
            files = [path for folder in ("blobs", "partial") for path in (self._home / folder).glob("*")]
            return sum(path.stat().st_size for path in files if path.is_file())

    def fetch(self, file: ModelFile, source: Source, progress: Progress) -> ModelFile:
        """Download a file unless it is here; returns it with its SHA-256.

        A file of which only Git's name of the content is stated is always fetched: it is small, and its SHA-256 is
        known once it is here. Raises `SourceUnavailable`, `HashMismatch`, `StorageFull` or `StorageDenied`; what
        arrived is kept.
        """
        key = file.sha256 or file.git_id
        if key is None or file.size is None or not _HASH.fullmatch(key):  # it names a file: "../" is none
            raise SourceUnavailable(f"states no SHA-256 for {file.name}, so it could not be verified")
        with self.lock(key, progress):
            if file.sha256 is not None and self.path(file.sha256).exists():
                return file
            partial = PartialFile(self._partial(key, "part"), file.size, progress)
            try:
                self._check_room(partial, source)
                progress.start(f"{file.name} · {source.label}", file.size, partial.length)
                if not partial.complete:
                    source.fetch(file, partial)
                partial.flush()
            finally:
                progress.finish()
                partial.close()
            arrived = partial.sha256 if file.sha256 is not None else _git_id(partial.path, file.size)
            if arrived != key:
                kind = "SHA-256" if file.sha256 is not None else "Git id"
                self._set_aside(partial.path, file.name, f"{source.label} sent", kind)
            self.take(partial.path, partial.sha256)
            return replace(file, sha256=partial.sha256)

    def take(self, path: Path, sha256: str) -> None:
        """Move a file here that was found to have this hash."""
        with storage_errors(self._home):
            self.path(sha256).parent.mkdir(parents=True, exist_ok=True)
            path.replace(self.path(sha256))
        self._remember(sha256)

    def verify(self, file: StoredFile, model: str, progress: Progress) -> None:
        """Hash a file unless it is, by size and mtime, the one that was verified before.

        Raises `ModelNotFound` when it is not here, `HashMismatch` when it is damaged; it is set aside then.
        """
        blob = self.path(file.sha256)
        if not blob.exists():
            raise ModelNotFound(f"A file of {model} is missing; get it again with `sevenb pull {model}`.")
        with storage_errors(blob):
            if self._stamp(file.sha256).exists() and self._stamp(file.sha256).read_text() == _fingerprint(blob):
                return
            progress.start(f"Verifying {file.name}", file.size, 0)
            try:
                digest = _sha256(blob, progress)
            finally:
                progress.finish()
        if digest != file.sha256:
            with self.lock(file.sha256):
                self._set_aside(blob, file.name, "This disk now holds")
        self._remember(file.sha256)

    def remove(self, sha256: str) -> None:
        """Delete a file that no model needs."""
        self.path(sha256).unlink()
        self._stamp(sha256).unlink(missing_ok=True)

    @contextlib.contextmanager
    def lock(self, name: str, progress: Progress | None = None) -> Iterator[None]:
        """Hold a lock between processes; it is gone when its holder dies. Lock files are kept: deleting them races."""
        path = self._home / "locks" / name
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if progress:
                    progress.note("Another sevenb is downloading this file; waiting for it.")
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def _check_room(self, partial: PartialFile, source: Source) -> None:
        missing = partial.size - partial.length
        needed = missing + (source.scratch_bytes if missing else 0) + SPARE_BYTES
        with storage_errors(self._home):
            free = shutil.disk_usage(self._home).free
        if free < needed:
            raise StorageFull(
                f"{needed / 1e6:,.0f} MB are needed on the disk that holds {self._home}, {free / 1e6:,.0f} MB are "
                "free; make room (`sevenb rm` helps) or set SEVENB_HOME to a larger disk."
            )

    def _set_aside(self, path: Path, name: str, whence: str, kind: str = "SHA-256") -> NoReturn:
        bad = self._partial(path.name.removesuffix(".part"), "bad")
        with storage_errors(bad):
            bad.parent.mkdir(parents=True, exist_ok=True)
            path.replace(bad)
        raise HashMismatch(
            f"{whence} a {name} with the wrong {kind}; it was set aside as {bad} and not used. "
            "Pull the model again, and delete that file when you have no use for it."
        )

    def _remember(self, sha256: str) -> None:
        with storage_errors(self._home):
            write_atomically(self._stamp(sha256), _fingerprint(self.path(sha256)).encode())

    def _stamp(self, sha256: str) -> Path:
        return self._home / "blobs" / f"{sha256}.verified"

    def _partial(self, sha256: str, suffix: str) -> Path:
        return self._home / "partial" / f"{sha256}.{suffix}"


def _fingerprint(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_size} {stat.st_mtime_ns}"


def _git_id(path: Path, size: int) -> str:
    """What Git calls a file's content, as ``git hash-object`` computes it."""
    digest = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _sha256(path: Path, progress: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
            done += len(chunk)
            progress.update(done)
    return digest.hexdigest()
