"""Ollama's pull: download a model into the store, telling of the progress line by line."""

import asyncio
import hashlib
from collections.abc import AsyncGenerator

from fastapi import APIRouter, Request
from starlette.responses import Response

from sevenb.errors import InvalidRequest
from sevenb.model.store import Store
from sevenb.server.fleet.downloads import Arrival, Download, Downloads, News, Note, reference_of
from sevenb.server.ollama.route import ERRORS, NDJSON, OllamaRoute, error_line, line
from sevenb.server.ollama.types import ProgressResponse, PullRequest
from sevenb.server.streaming import EventStream, json_response, unless_client_leaves

router = APIRouter(prefix="/api", tags=["Ollama"], route_class=OllamaRoute, responses=ERRORS)


@router.post(
    "/pull",
    response_model=ProgressResponse,
    responses={200: {"content": {NDJSON: {}}, "description": "Lines of progress unless stream is false"}},
)
async def pull(request: Request, body: PullRequest) -> Response:
    """Download a model of the catalog, or of a Hugging Face repository. What has arrived before is kept."""
    name = body.model or body.name
    if not name:
        raise InvalidRequest("model: this field is required.", "model")
    store = Store()
    lines = pull_lines(store, reference_of(store, name), request.app.state.pulls)
    if body.stream is not False:
        sign_of_life = line(ProgressResponse(status="pulling manifest"))
        return EventStream(lines, error_line, sign_of_life=sign_of_life, media_type=NDJSON)
    await unless_client_leaves(request, _to_the_end(lines))
    return json_response(ProgressResponse(status="success"))


async def pull_lines(store: Store, name: str, downloads: Downloads) -> AsyncGenerator[bytes, None]:
    """Download a model; lines of progress, the last one says success. Closing the generator stops the download."""
    news: asyncio.Queue[News | None] = asyncio.Queue()
    download = Download(store, name, downloads, news.put_nowait)
    task = download.begin()
    task.add_done_callback(lambda _: news.put_nowait(None))
    try:
        yield line(ProgressResponse(status="pulling manifest"))
        while (piece := await news.get()) is not None:
            yield line(_told(piece))
        await task
        for status in ("verifying sha256 digest", "writing manifest", "success"):
            yield line(ProgressResponse(status=status))
    finally:
        download.stop()


async def _to_the_end(lines: AsyncGenerator[bytes, None]) -> None:
    async for _ in lines:
        pass


def _told(news: News) -> ProgressResponse:
    match news:
        case Note(text):
            return ProgressResponse(status=text)
        case Arrival(label, done, total):
            # Clients tell files apart by their digest, so each gets one, if not the one of its bytes.
            digest = f"sha256:{hashlib.sha256(label.encode()).hexdigest()}"
            return ProgressResponse(status=f"pulling {label}", digest=digest, total=total, completed=done)
