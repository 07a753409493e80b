"""Ollama's pull: download a model into the store, telling of the progress line by line."""

import asyncio
import hashlib
import threading
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from sevenb.errors import DownloadFailed, InvalidRequest, StorageDenied, StorageFull, TooManyRequests
from sevenb.model.store import Store
from sevenb.server.errors import HttpError
from sevenb.server.ollama.route import ERRORS, NDJSON, OllamaRoute, error_line, line
from sevenb.server.ollama.types import ProgressResponse, PullRequest
from sevenb.server.streaming import EventStream, json_response, unless_client_leaves

MAX_PULLS = 4  # at once
LINE_SECONDS = 0.2  # between two lines about the same file

_HUBS = ("hf.co/", "huggingface.co/")  # how Ollama's users name a repository of the hub

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
    download = Download(store, _reference(store, name), request.app.state.pulls)
    if body.stream is not False:
        sign_of_life = line(ProgressResponse(status="pulling manifest"))
        return EventStream(download.lines(), error_line, sign_of_life=sign_of_life, media_type=NDJSON)
    await unless_client_leaves(request, download.run())
    return json_response(ProgressResponse(status="success"))


def _reference(store: Store, name: str) -> str:
    """The name as the store knows it. Raises `ModelNotFound`; paths of this machine are none of a client's business."""
    for hub in _HUBS:
        name = name.removeprefix(hub)
    is_path = name.startswith(("/", ".", "~")) or name.lower().endswith(".gguf") or "\\" in name
    if is_path or isinstance(store.catalog.reference(name), Path):
        raise InvalidRequest(
            "model is a path; name a model of the catalog (qwen2.5-coder:0.5b) or a repository (org/repo:Q4_K_M).",
            "model",
        )
    return name


class _Stopped(Exception):
    """Nobody waits for the download any more."""


class Pulls:
    """The pulls of one server that run now."""

    def __init__(self) -> None:
        self._running = 0

    def begin(self) -> None:
        """Count one that begins; `end` when it has ended. Raises `TooManyRequests`, and then it does not count."""
        if self._running >= MAX_PULLS:
            raise TooManyRequests(f"{MAX_PULLS} models are being pulled already; wait for one of them.", 30.0)
        self._running += 1

    def end(self) -> None:
        """Note the end of one that had begun."""
        self._running -= 1


class Download:
    """One pull, in a thread; a `Progress` that passes on what it is told."""

    def __init__(self, store: Store, name: str, pulls: Pulls) -> None:
        self._store = store
        self._name = name
        self._pulls = pulls
        self._lines: asyncio.Queue[ProgressResponse | None] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._status = ""
        self._digest = ""
        self._total = 0
        self._told = 0.0

    async def run(self) -> None:
        """All of it, for those who want no lines."""
        async for _ in self.lines():
            pass

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Lines of progress, the last one says success. Closing the generator stops the download."""
        self._pulls.begin()
        task = asyncio.create_task(asyncio.to_thread(self._pull))
        task.add_done_callback(self._ended)
        try:
            yield line(ProgressResponse(status="pulling manifest"))
            while (news := await self._lines.get()) is not None:
                yield line(news)
            await self._result(task)
            for status in ("verifying sha256 digest", "writing manifest", "success"):
                yield line(ProgressResponse(status=status))
        finally:
            self._stop.set()

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._pulls.end()
        task.exception()  # told by `lines`, or nobody is there to hear
        self._lines.put_nowait(None)

    async def _result(self, task: "asyncio.Task[None]") -> None:
        try:
            await task
        except (StorageFull, StorageDenied) as error:
            raise HttpError(507, str(error), "storage") from None
        except DownloadFailed as error:
            raise HttpError(502, str(error), "download_failed") from None

    # -- in the thread -----------------------------------------------------------------------------------

    def _pull(self) -> None:
        if not self._store.has(self._name):
            self._store.pull(self._name, self)

    def _tell(self, news: ProgressResponse) -> None:
        if self._stop.is_set():
            raise _Stopped
        self._loop.call_soon_threadsafe(self._lines.put_nowait, news)

    def note(self, text: str) -> None:
        """A source that was given up, say."""
        self._tell(ProgressResponse(status=text))

    def start(self, label: str, total: int, done: int) -> None:
        """A file begins. Clients tell files apart by their digest, so it gets one, if not the one of its bytes."""
        self._status = f"pulling {label}"
        self._digest = f"sha256:{hashlib.sha256(label.encode()).hexdigest()}"
        self._total = total
        self._told = 0.0
        self.update(done)

    def update(self, done: int) -> None:
        """Bytes done by now."""
        if time.monotonic() - self._told >= LINE_SECONDS or done == self._total:
            self._told = time.monotonic()
            self._tell(ProgressResponse(status=self._status, digest=self._digest, total=self._total, completed=done))
        elif self._stop.is_set():
            raise _Stopped

    def finish(self) -> None:
        """A file ended."""
