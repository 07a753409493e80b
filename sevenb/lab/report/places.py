"""Where reports lie, and which there are: all that a server needs to know of them."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sevenb.lab.folder import lab_folder

HTML, JSON = "report.html", "report.json"
FILES = (HTML, JSON, "report.md", "report.zh.md")

_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}")


class KeptSubject(msgspec.Struct, frozen=True):
    """A model of a kept report."""

    name: str


class KeptReport(msgspec.Struct, frozen=True):
    """The head of a kept report."""

    id: str
    made: str
    subjects: tuple[KeptSubject, ...]
    quick: bool = False


def reports_folder() -> Path:
    """The folder that holds a folder for each report."""
    return lab_folder() / "reports"


def kept_reports() -> list[KeptReport]:
    """All finished reports that can be read, newest first."""
    return sorted(_kept(), key=lambda report: report.made, reverse=True)


def report_file(id: str, name: str) -> Path | None:
    """A file of a finished report; None where there is none, or where the name leads elsewhere."""
    if _ID.fullmatch(id) is None or name not in FILES:
        return None
    folder = reports_folder()
    file = folder / id / name
    try:
        inside = file.resolve().is_relative_to(folder.resolve())
    except OSError:
        return None
    return file if inside and file.is_file() else None


def _kept() -> Iterator[KeptReport]:
    try:
        folders = [path for path in reports_folder().iterdir() if _ID.fullmatch(path.name)]
    except OSError:
        return
    for folder in folders:
        try:
            report = msgspec.json.decode((folder / JSON).read_bytes(), type=KeptReport)
        except (OSError, msgspec.MsgspecError, RecursionError):
            continue
        if report.id == folder.name and (folder / HTML).is_file():
            yield report
