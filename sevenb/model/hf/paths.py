"""What the path of a model folder says: its own name, or the repository that the hub's cache keeps there."""

import re
from pathlib import Path

_SNAPSHOT = re.compile(r"[0-9a-f]{40}")
_REPOSITORY = "models--"


def plain_path(path: Path) -> Path:
    """The same place by a path whose last part is a name, and neither ``.`` nor ``..``."""
    absolute = path.absolute()
    return absolute.resolve() if absolute.name == ".." else absolute


def repository_of_snapshot(path: Path) -> str | None:
    """``Org/Name`` of a folder ``models--Org--Name/snapshots/<commit>``; None of any other."""
    snapshots, repository = path.parent, path.parent.parent.name
    if not _SNAPSHOT.fullmatch(path.name) or snapshots.name != "snapshots" or not repository.startswith(_REPOSITORY):
        return None
    return repository.removeprefix(_REPOSITORY).replace("--", "/", 1)
