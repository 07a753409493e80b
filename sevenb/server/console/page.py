"""The console's page: the files that its build made, with the headers that keep it to itself."""

import mimetypes
import os
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import FileResponse, HTMLResponse, Response

from sevenb.server.access.gate import accepts_html
from sevenb.server.errors import HttpError
from sevenb.server.ollama.models import root as ollama_root

# Whoever works on the page may serve another build of it.
FOLDER = Path(os.environ.get("SEVENB_PAGE") or Path(__file__).with_name("page"))

_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HASHED = "assets/"  # files whose names change with what is in them
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))

_UNBUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>sevenb</title>
<h1>The console has not been built yet</h1>
<p>The APIs work. For the page run <code>make console</code> in the source tree, then open this address again.</p>
"""

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def root(request: Request) -> Response:
    """The page for a browser; for a program what Ollama says there."""
    if not accepts_html(request.headers):
        response: Response = await ollama_root()
    elif (file := FOLDER / "index.html").is_file():
        response = _file(file, "index.html", request.headers)
    else:
        response = HTMLResponse(_UNBUILT, headers=_HEADERS)
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response


@router.api_route("/console", methods=["GET", "HEAD"])
@router.api_route("/console/", methods=["GET", "HEAD"])
async def console() -> Response:
    """Where people look for it."""
    return Response(status_code=308, headers={"Location": "/"})


@router.api_route("/console/{name:path}", methods=["GET", "HEAD"])
async def asset(request: Request, name: str) -> Response:
    """A file of the page."""
    file = _found(name)
    if file is None:
        raise HttpError(404, f"The console has no file {name:.200}; load the page anew.", "not_found")
    return _file(file, name, request.headers)


def _found(name: str) -> Path | None:
    """The file of this name in the page's folder, if it is there; names that no file can have are nobody's."""
    folder = FOLDER.resolve()
    try:
        file = (folder / name).resolve()
        there = file.is_relative_to(folder) and file.is_file()
    except (OSError, ValueError):
        return None
    return file if there and not name.startswith("api/") else None


def _file(file: Path, name: str, asked: Headers) -> Response:
    """A file, packed where the build left it packed and the client takes that; nothing where the client has it."""
    media_type = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    headers = {
        **_HEADERS,
        "Cache-Control": "public, max-age=31536000, immutable" if name.startswith(_HASHED) else "no-cache",
        "Vary": "Accept-Encoding",
    }
    for encoding, suffix in _ENCODINGS:
        packed = file.with_name(file.name + suffix)
        if encoding in asked.get("accept-encoding", "") and packed.is_file():
            headers["Content-Encoding"] = encoding
            file = packed
            break
    status = file.stat()
    headers["ETag"] = f'"{status.st_mtime_ns:x}-{status.st_size:x}"'
    if headers["ETag"] in asked.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return FileResponse(file, media_type=media_type, headers=headers, stat_result=status)
