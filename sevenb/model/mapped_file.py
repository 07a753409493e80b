"""`MappedFile`: a file's bytes without reading them, and what the system should know about when they are needed."""

import mmap
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

_READ_AT_ONCE = 16 << 20


class MappedFile:
    """A regular file as a read-only array of bytes, ``data``; it lives as long as any view of it."""

    def __init__(self, path: Path) -> None:
        """Map ``path``; OSError and ValueError are the operating system's."""
        with path.open("rb") as file:
            # Mapping nothing is an error of the operating system.
            size = file.seek(0, 2)
            self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self.data: npt.NDArray[np.uint8] = np.frombuffer(self._mapping or b"", dtype=np.uint8)

    def offset_of(self, view: npt.NDArray[np.uint8]) -> int | None:
        """Where in the file a view of ``data`` begins; None for bytes of somewhere else."""
        offset = _address(view) - _address(self.data)
        return offset if offset >= 0 and offset + view.nbytes <= self.data.nbytes else None

    def release(self, start: int, size: int) -> None:
        """Let go of bytes that are not needed again: they stay in the system's cache but not in this process."""
        first, last = -(-start // mmap.PAGESIZE) * mmap.PAGESIZE, (start + size) // mmap.PAGESIZE * mmap.PAGESIZE
        if self._mapping is not None and first < last and hasattr(mmap, "MADV_DONTNEED"):
            self._mapping.madvise(mmap.MADV_DONTNEED, first, last - first)

    def read_ahead(self) -> None:
        """Have the system read the whole file from front to back, in the background, at the disk's own speed.

        Whoever comes to bytes that are not there yet waits for them alone. Costs next to nothing when the system has
        them already.
        """
        if self._mapping is not None and hasattr(mmap, "MADV_WILLNEED"):
            threading.Thread(target=_want, args=(self._mapping, self.data.nbytes), daemon=True).start()


def _want(mapping: mmap.mmap, size: int) -> None:
    for start in range(0, size, _READ_AT_ONCE):
        mapping.madvise(mmap.MADV_WILLNEED, start, min(_READ_AT_ONCE, size - start))


def _address(array: npt.NDArray[np.uint8]) -> int:
    return int(array.__array_interface__["data"][0])
