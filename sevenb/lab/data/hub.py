"""Data from Hugging Face: files at a commit, members of archives, and rows where there is Parquet alone.

The sources of models take the better part of a minute to give up a hub; data has other places, so here it is a second.
"""

import contextlib
import hashlib
import io
import json
import os
import socket
import ssl
import threading
import zipfile
import zlib
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import getproxies

from sevenb.lab.data.dataset import HubArchive, HubFile, HubPart, HubRows
from sevenb.model.download import SourceUnavailable, http_client, storage_errors
from sevenb.model.whole_file import write_atomically

REACH_SECONDS = 1.5  # to greet the hub; all that one out of reach may cost
MAX_UNPACKED = 1 << 30  # bytes of an archive's members; none reads more of one than it says to hold
PAGE_ROWS = 100  # the most that the dataset viewer gives at once
PUBLIC = "https://huggingface.co"


def require_hub() -> str:
    """The hub's address (``HF_ENDPOINT`` counts). Raises `SourceUnavailable` where it cannot be reached."""
    endpoint = os.environ.get("HF_ENDPOINT", PUBLIC).rstrip("/")
    if problem := unreachable(endpoint):
        raise SourceUnavailable(problem)
    return endpoint


def fetch_part(part: HubPart, folder: Path) -> None:
    """Put the files of ``part`` into ``folder``. Raises `SourceUnavailable`."""
    endpoint = require_hub()
    match part:
        case HubFile():
            _write(folder / Path(part.path).name, _content(endpoint, part))
        case HubArchive():
            for name, content in _members(_content(endpoint, part), part):
                _write(folder / name, content)
        case HubRows():
            rows = _rows(endpoint, part)
            _write(folder / part.file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())


@cache
def unreachable(endpoint: str) -> str | None:
    """Why the hub cannot be reached, in a few words; asked once a process, and answered within `REACH_SECONDS`."""
    if os.environ.get("HF_HUB_OFFLINE", "0").upper() in ("1", "ON", "YES", "TRUE"):
        return "is switched off by HF_HUB_OFFLINE"
    problem = [f"no answer within {REACH_SECONDS:g} s"]

    def connect() -> None:
        parts = urlsplit(endpoint)
        try:
            if parts.scheme in getproxies():  # a proxy always answers; what counts is whom it reaches
                with http_client() as client:
                    client.head(endpoint)
            else:
                _greet(parts.hostname or "", parts.port or 443, encrypted=parts.scheme == "https")
            problem.clear()
        except Exception as error:
            problem[:] = [getattr(error, "strerror", None) or type(error).__name__]

    # A resolver that never answers cannot be interrupted, only left behind.
    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(REACH_SECONDS)
    return f"cannot be reached ({problem[0]})" if problem else None


def _greet(host: str, port: int, *, encrypted: bool) -> None:
    with socket.create_connection((host, port), REACH_SECONDS) as connection:
        if encrypted:  # some networks let connections through, but no handshake
            context = ssl.create_default_context()
            context.check_hostname = False  # nothing is sent or taken; the download itself verifies
            context.verify_mode = ssl.CERT_NONE
            context.wrap_socket(connection, server_hostname=host).close()


def _content(endpoint: str, part: HubFile | HubArchive) -> bytes:
    content = _get(f"{endpoint}/datasets/{part.repo}/resolve/{part.revision}/{quote(part.path)}")
    if part.sha256 and hashlib.sha256(content).hexdigest() != part.sha256:
        raise SourceUnavailable(f"holds another {part.path} of {part.repo} than the one known by its SHA-256")
    return content


def _members(content: bytes, part: HubArchive) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            wanted = [
                name
                for name in archive.namelist()
                if ".." not in Path(name).parts and any(fnmatch(name, pattern) for pattern in part.members)
            ]
            if not wanted:
                raise SourceUnavailable(f"holds no {' or '.join(part.members)} in {part.path} of {part.repo}")
            if sum(archive.getinfo(name).file_size for name in wanted) > MAX_UNPACKED:
                raise SourceUnavailable(f"unpacks {part.path} of {part.repo} to more than {MAX_UNPACKED >> 20} MiB")
            for name in wanted:
                yield name.lstrip("/"), archive.read(name)
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, OSError) as error:
        raise SourceUnavailable(f"holds no whole zip file {part.path} of {part.repo}") from error


def _rows(endpoint: str, part: HubRows) -> list[dict[str, Any]]:
    # The viewer of the public hub has a host of its own; another hub either serves it itself or has none.
    viewer = "https://datasets-server.huggingface.co" if endpoint == PUBLIC else endpoint
    rows: list[dict[str, Any]] = []
    while len(rows) < part.rows:
        length = min(PAGE_ROWS, part.rows - len(rows))
        which = {"dataset": part.repo, "config": part.config, "split": part.split}
        query = urlencode({**which, "offset": len(rows), "length": length})
        try:
            entries = json.loads(_get(f"{viewer}/rows?{query}"))["rows"]
            page = [entry["row"] for entry in entries if not entry["truncated_cells"]]
        except (ValueError, KeyError, TypeError) as error:
            raise SourceUnavailable(f"answers for {part.repo} with something that is no page of rows") from error
        if len(page) < len(entries):
            raise SourceUnavailable(f"cuts long rows of {part.repo} off")
        if not page:
            raise SourceUnavailable(f"holds {len(rows)} rows of {part.repo} where {part.rows} are expected")
        rows += page
    return rows


def _get(url: str) -> bytes:
    import httpx
    from huggingface_hub import get_token

    token = get_token()
    try:
        with http_client({"Authorization": f"Bearer {token}"} if token else {}) as client:
            response = client.get(url)
    except httpx.HTTPError as error:
        raise SourceUnavailable(f"broke off ({error or type(error).__name__})") from error
    if response.status_code in (401, 403):
        raise SourceUnavailable(f"wants a login and the licence of the data accepted (HTTP {response.status_code})")
    if response.status_code != 200:
        raise SourceUnavailable(f"answers HTTP {response.status_code}")
    return bytes(response.content)


def _write(path: Path, content: bytes) -> None:
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            write_atomically(path, content)
