"""`Meeting`: where ranks find each other, and where whoever waits for the others hears that one will not come."""

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from torch import distributed

_LOOK_SECONDS = 0.02  # between two looks whether what is waited for is there


class Meeting(distributed.Store):  # type: ignore[name-defined,misc]  # which torch exports, but not to mypy
    """What ranks tell each other before they are connected, kept in a file.

    ``look`` is called over and over while this rank waits; what it raises ends the wait. Without it a rank would wait
    for one that is gone as long as `torch.distributed` waits for one that is late.
    """

    def __init__(self, path: Path, ranks: int, patience: timedelta, look: Callable[[], object]) -> None:
        """``path`` is a file of a folder that all ranks share, and that only their user can read."""
        super().__init__()
        self._file = distributed.FileStore(str(path), ranks)  # type: ignore[attr-defined]
        self._patience = patience
        self._look = look

    def set(self, key: str, value: str | bytes) -> None:
        """Tell the others."""
        self._file.set(key, value)  # type: ignore[arg-type]  # torch's stub knows of text alone

    def get(self, key: str) -> bytes:
        """What a rank told, once it has."""
        self.wait([key])
        return self._file.get(key)

    def add(self, key: str, value: int) -> int:
        """Count up, and how far that is."""
        return self._file.add(key, value)

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all of these were told."""
        return self._file.check(list(keys))

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait for all of these. Raises what ``look`` raises, RuntimeError after ``timeout``."""
        deadline = time.monotonic() + (timeout or self._patience).total_seconds()
        while not self.check(keys):
            self._look()
            if time.monotonic() > deadline:
                raise RuntimeError("a rank has not come in time")
            time.sleep(_LOOK_SECONDS)
