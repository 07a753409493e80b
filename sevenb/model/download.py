"""Getting one file onto this disk: a partial file that is hashed as it grows, and HTTP that resumes it."""

import contextlib
import errno
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit
from urllib.request import getproxies

from sevenb.errors import StorageDenied, StorageFull
from sevenb.model.origins import ModelFile

CONNECT_SECONDS = 4.0  # after this a source counts as unreachable
READ_SECONDS = 10.0  # a connection silent for so long counts as cut
CHUNK_BYTES = 1 << 20
FRUITLESS_ATTEMPTS = 3  # cut connections in a row, without one new byte, before a source that worked is given up


class SourceUnavailable(Exception):
    """This source cannot deliver; ``str(error)`` is the reason in a few words. The next source is tried."""


class Progress(Protocol):
    """Who watches a download. Byte counts are of the whole file, so a resumed one does not start at 0."""

    def note(self, line: str) -> None:
        """Something worth a line of its own, such as a source that was given up."""
        ...

    def start(self, label: str, total: int, done: int) -> None:
        """Work on ``label`` begins; ``done`` of ``total`` bytes are already there."""
        ...

    def update(self, done: int) -> None:
        """Bytes done by now."""
        ...

    def finish(self) -> None:
        """The work ended, well or badly."""
        ...


class Silent:
    """A `Progress` that nobody watches."""

    def note(self, line: str) -> None:
        """Ignore."""

    def start(self, label: str, total: int, done: int) -> None:
        """Ignore."""

    def update(self, done: int) -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


class Source(Protocol):
    """One place that holds a model's files."""

    @property
    def label(self) -> str:
        """Its name, for people."""
        ...

    @property
    def scratch_bytes(self) -> int:
        """Disk that fetching takes beyond the file itself."""
        ...

    def files(self) -> tuple[ModelFile, ...]:
        """The files of the model, each with size and SHA-256. Raises `SourceUnavailable`."""
        ...

    def fetch(self, file: ModelFile, partial: "PartialFile") -> None:
        """Append the rest of ``file`` to ``partial``. Raises `SourceUnavailable`; what arrived stays."""
        ...


class PartialFile:
    """The beginning of a file, growing, with its SHA-256 known at every moment.

    What is on disk from an earlier attempt is read once, to take its hash. Any source may continue what another began.
    """

    def __init__(self, path: Path, size: int, progress: Progress) -> None:
        self.path = path
        self.size = size
        self._progress = progress
        self._hash = hashlib.sha256()
        self.length = 0
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "a+b")  # noqa: SIM115  (closed by close())
            if self._file.tell() > size:
                self._file.truncate(0)
            if there := self._file.seek(0, os.SEEK_END):
                self._hash_what_is_there(there)

    def _hash_what_is_there(self, there: int) -> None:
        self._progress.start("Checking what arrived before", there, 0)
        self._file.seek(0)
        while chunk := self._file.read(CHUNK_BYTES):
            self._hash.update(chunk)
            self.length += len(chunk)
            self._progress.update(self.length)
        self._progress.finish()

    def append(self, chunk: bytes) -> None:
        """Write ``chunk`` at the end. Raises `StorageFull`, `StorageDenied`, or `SourceUnavailable` past ``size``."""
        if self.length + len(chunk) > self.size:
            raise SourceUnavailable(f"it sends more than the {self.size} bytes that the file has")
        with storage_errors(self.path):
            self._file.write(chunk)
        self._hash.update(chunk)
        self.length += len(chunk)
        self._progress.update(self.length)

    def arriving(self, done: int) -> None:
        """Show progress of bytes that are on their way but not yet appended."""
        self._progress.update(min(done, self.size))

    @property
    def complete(self) -> bool:
        """Whether all bytes are there; says nothing about their being right."""
        return self.length == self.size

    @property
    def sha256(self) -> str:
        """Hash of what is there by now, in hex."""
        return self._hash.hexdigest()

    def flush(self) -> None:
        """Make sure that what was appended survives a power cut."""
        with storage_errors(self.path):
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file and keep it."""
        with storage_errors(self.path):
            self._file.close()


@contextlib.contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` about the store into `StorageFull` or `StorageDenied` with what to do next."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageFull(
                f"The disk that holds {path.parent} is full; free some space or set SEVENB_HOME to a larger disk, "
                "then run the same command again: what arrived is kept."
            ) from error
        raise StorageDenied(
            f"{error.filename or path} cannot be read or written ({error.strerror}); "
            "check its permissions, or set SEVENB_HOME to a folder of yours."
        ) from error


def fetch_http(url: str, partial: PartialFile, headers: Mapping[str, str] | None = None) -> None:
    """Append the rest of the file at ``url`` to ``partial``, resuming wherever a connection is cut.

    The source is given up with `SourceUnavailable` if its first attempt brings nothing, and later after
    `FRUITLESS_ATTEMPTS` in a row that bring nothing new.
    """
    import httpx

    check_resolvable(url)
    fruitless = 0
    begun = partial.length
    with http_client(headers) as client:
        while not partial.complete:
            before = partial.length
            try:
                with client.stream("GET", url, headers={"Range": f"bytes={before}-"}) as response:
                    _append_body(response, partial)
                reason = "the connection ended early"
            except httpx.ConnectError as error:
                raise SourceUnavailable(f"cannot be reached ({_plain(error)})") from error
            except httpx.ConnectTimeout as error:
                raise SourceUnavailable(f"cannot be reached (no answer in {CONNECT_SECONDS:.0f} s)") from error
            except httpx.HTTPError as error:
                reason = f"the connection was cut ({_plain(error)})"
            fruitless = 0 if partial.length > before else fruitless + 1
            if fruitless == FRUITLESS_ATTEMPTS or partial.length == begun:
                raise SourceUnavailable(reason)
            time.sleep(0.5 * fruitless)


def fetch_json(url: str, headers: Mapping[str, str] | None = None) -> Any:
    """The JSON document at ``url``. Raises `SourceUnavailable`."""
    import httpx

    check_resolvable(url)
    try:
        with http_client(headers) as client:
            response = client.get(url)
            _check_status(response)
            return response.json()
    except httpx.ConnectTimeout as error:
        raise SourceUnavailable(f"cannot be reached (no answer in {CONNECT_SECONDS:.0f} s)") from error
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"cannot be reached ({_plain(error)})") from error
    except ValueError as error:
        raise SourceUnavailable("answers with something that is not JSON") from error


def http_client(headers: Mapping[str, str] | None = None) -> Any:
    """An `httpx.Client` that follows redirects and gives up a silent host soon."""
    import httpx

    timeout = httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS)
    # No compression: offsets and sizes count the file's own bytes.
    headers = {"User-Agent": "sevenb", "Accept-Encoding": "identity", **(headers or {})}
    return httpx.Client(timeout=timeout, headers=headers, follow_redirects=True)


def check_resolvable(url: str) -> None:
    """Raise `SourceUnavailable` if the host's name finds no address within `CONNECT_SECONDS`.

    A resolver that never answers would otherwise hold the first connection for half a minute, whatever its time limit.
    """
    parts = urlsplit(url)
    if not parts.hostname or parts.scheme in getproxies():
        return
    failure: list[OSError] = []

    def look_up() -> None:
        try:
            socket.getaddrinfo(parts.hostname, parts.port or 443)
        except OSError as error:
            failure.append(error)

    thread = threading.Thread(target=look_up, daemon=True)
    thread.start()
    thread.join(CONNECT_SECONDS)
    if thread.is_alive() or failure:
        raise SourceUnavailable(f"cannot be reached (no address for {parts.hostname})")


def _append_body(response: Any, partial: PartialFile) -> None:
    _check_status(response)
    # ModelScope answers a range with 200 and a Content-Range, so the header counts and not the status.
    stated = re.match(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    start = int(stated[1]) if stated else 0
    total = stated[2] if stated else response.headers.get("Content-Length", "*")
    if total != "*" and int(total) != partial.size:
        raise SourceUnavailable(f"it holds another file ({total} bytes where {partial.size} are expected)")
    skip = partial.length - start
    if skip < 0:
        raise SourceUnavailable("it continues at the wrong place")
    for chunk in response.iter_raw():  # as it comes: gathering larger chunks would lose the last one to a cut
        if skip < len(chunk):
            partial.append(chunk[skip:] if skip else chunk)
        skip = max(0, skip - len(chunk))


def _check_status(response: Any) -> None:
    status = response.status_code
    if status in (401, 403):
        # Hugging Face says so of a repository that does not exist, too: it does not tell which are private.
        raise SourceUnavailable(f"has no such repository, or wants a login and its licence accepted (HTTP {status})")
    if status == 404:
        raise SourceUnavailable("has no such file or repository (HTTP 404)")
    if status >= 400:
        raise SourceUnavailable(f"answers HTTP {status}")


def _plain(error: Exception) -> str:
    return re.sub(r"^\[Errno -?\d+\] ", "", str(error)) or type(error).__name__
