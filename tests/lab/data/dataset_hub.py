"""A small hub of datasets on this machine: files of repositories, and the viewer that gives rows."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.http_server import serving


@dataclass
class DatasetHub:
    """``files`` by their path on the hub; ``rows`` by repository, configuration and split."""

    files: dict[str, bytes] = field(default_factory=dict)
    rows: dict[tuple[str, str, str], list[dict[str, Any]]] = field(default_factory=dict)
    truncated: list[str] = field(default_factory=list)  # columns whose cells are cut off
    requests: list[str] = field(default_factory=list)  # paths, as they came
    url: str = ""

    def answer(self, path: str, query: dict[str, list[str]]) -> bytes | None:
        if path != "/rows":
            return self.files.get(path)
        rows = self.rows.get((query["dataset"][0], query["config"][0], query["split"][0]))
        if rows is None or int(query["length"][0]) > 100:  # as the real one
            return None
        offset, length = int(query["offset"][0]), int(query["length"][0])
        page = [
            {"row_idx": offset + n, "row": row, "truncated_cells": self.truncated}
            for n, row in enumerate(rows[offset : offset + length])
        ]
        return json.dumps({"rows": page, "num_rows_total": len(rows)}).encode()


@contextmanager
def serve(hub: DatasetHub) -> Iterator[DatasetHub]:
    """Run the hub on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            hub.requests.append(unquote(parts.path))
            content = hub.answer(unquote(parts.path), parse_qs(parts.query))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with serving(Handler) as port:
        hub.url = f"http://127.0.0.1:{port}"
        yield hub
