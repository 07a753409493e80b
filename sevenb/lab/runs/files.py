"""Files that are whole or not there at all, and a full or forbidden disk told in one sentence."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sevenb.errors import StorageDenied, StorageFull

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.EEXIST}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the system's errors about ``folder`` into ours."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(
                f"The disk of {folder} is full; what was measured so far is kept. Make room and run the same command "
                "again: it goes on where it stopped."
            ) from error
        if error.errno in _DENIED:
            raise StorageDenied(
                f"{folder} cannot be written by this user; make it writable, or set SEVENB_LAB to another folder."
            ) from error
        if error.errno in _NO_FOLDER:
            raise StorageDenied(
                f"{folder} is no folder that files can be written to ({error.strerror}); name another one."
            ) from error
        raise


def require_writable(folder: Path, mode: int = 0o777) -> None:
    """Make ``folder``, and try it. Raises `StorageDenied`, `StorageFull`: before a long work whose end is a file."""
    with explained(folder):
        folder.mkdir(mode, parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file that others see whole or as it was before, also after a power cut."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
