"""A small hub on this machine, with the manners and the failures of real ones."""

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.http_server import serving


@dataclass
class Hub:
    """Serves ``files`` (name -> bytes) as repository ``org/model`` in the dialects of both hubs; misbehaves as told."""

    files: dict[str, bytes]
    port: int = 0
    cut_after: int | None = None  # bytes sent before each connection is cut
    chunk_seconds: float = 0.0  # pause after each 64 KiB
    honours_ranges: bool = True
    range_status: int = 206  # ModelScope says 200
    missing: bool = False
    ends_at: int | None = None  # offset that it never sends anything beyond
    stated_hashes: dict[str, str] = field(default_factory=dict)  # lies about some files' SHA-256 or Git ids
    in_git: set[str] = field(default_factory=set)  # small files, of which Hugging Face states Git's id alone
    redirect_to: str | None = None
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)  # path and headers, as they came
    bytes_sent: int = 0
    held_at: int | None = None  # offset that it sends nothing beyond until it is `released`
    released: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def file_url(self, name: str) -> str:
        return f"{self.url}/org/model/resolve/main/{name}"

    def sha256(self, name: str) -> str:
        return self.stated_hashes.get(name) or hashlib.sha256(self.files[name]).hexdigest()

    def git_id(self, name: str) -> str:
        content = self.files[name]
        return self.stated_hashes.get(name) or hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()

    def ranges(self) -> list[int]:
        """First byte asked for by each request for a file."""
        asked = [headers.get("range", "bytes=0-") for path, headers in self.requests if "/resolve/" in path]
        return [int(text.removeprefix("bytes=").partition("-")[0]) for text in asked]

    def listing(self, path: str) -> object:
        if path.startswith("/api/models/"):
            return {
                "siblings": [{"rfilename": "README.md"}]
                + [
                    {"rfilename": name, "blobId": self.git_id(name), "size": len(content)}
                    if name in self.in_git
                    else {"rfilename": name, "lfs": {"sha256": self.sha256(name), "size": len(content)}}
                    for name, content in self.files.items()
                ]
            }
        entries = [
            {"Path": name, "Size": len(content), "Sha256": self.sha256(name), "Type": "blob"}
            for name, content in self.files.items()
        ]
        return {"Code": 200, "Data": {"Files": entries}}


@contextmanager
def holding(hub: Hub, offset: int) -> Iterator[None]:
    """Have files arrive up to about this offset, and no further until the block ends."""
    hub.released.clear()
    hub.held_at = offset
    try:
        yield
    finally:
        hub.held_at = None
        hub.released.set()


@contextmanager
def serve(hub: Hub) -> Iterator[Hub]:
    """Run the hub on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = unquote(urlsplit(self.path).path)
            hub.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
            if hub.missing:
                self.send_error(404)
            elif "/api/" in path:
                self._send_json(hub.listing(path))
            elif hub.redirect_to:
                self.send_response(302)
                self.send_header("Location", hub.redirect_to)
                self.send_header("Content-Length", "0")
                self.end_headers()
            else:
                self._send_file(next(hub.files[name] for name in hub.files if path.endswith("/" + Path(name).name)))

        def _send_json(self, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _send_file(self, content: bytes) -> None:
            asked = re.match(r"bytes=(\d+)-", self.headers.get("Range", ""))
            start = int(asked[1]) if asked and hub.honours_ranges else 0
            self.send_response(hub.range_status if asked and hub.honours_ranges else 200)
            if asked and hub.honours_ranges:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            end = len(content) if hub.cut_after is None else min(len(content), start + hub.cut_after)
            end = end if hub.ends_at is None else min(end, hub.ends_at)
            position = start
            while position < end:
                held = hub.held_at is not None and position >= hub.held_at and not hub.released.wait(0.25)
                size = 16 if held else 1 << 16  # a sign of life, so that nobody takes the connection for dead
                chunk = content[position : min(position + size, end)]
                position += len(chunk)
                try:
                    self.wfile.write(chunk)
                except OSError:  # the client is gone
                    return
                hub.bytes_sent += len(chunk)
                time.sleep(hub.chunk_seconds)
            self.close_connection = True

    with serving(Handler) as hub.port:
        yield hub
