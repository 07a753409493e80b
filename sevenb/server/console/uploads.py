"""The console's uploads: a ``.gguf`` file streamed into the store, hashed on the way, and checked before it counts."""

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import BinaryIO

from fastapi import APIRouter, FastAPI, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from sevenb.errors import (
    CorruptModelFile,
    InvalidRequest,
    ModelNotFound,
    StorageFull,
    TooManyRequests,
    UnsupportedModel,
)
from sevenb.model.blobs import SPARE_BYTES
from sevenb.model.download import storage_errors
from sevenb.model.store import Store
from sevenb.server.access.principal import Administrator, WorkspaceDependency
from sevenb.server.console.models import local_models
from sevenb.server.console.route import ConsoleRoute, reply
from sevenb.server.dependencies import ServiceDependency
from sevenb.server.errors import HttpError
from sevenb.server.streaming import ClientGone

MAX_UPLOADS = 2  # at once
CHUNK_BYTES = 4 << 20  # written and hashed together
LEFT_SECONDS = 86_400.0  # after which what a killed server left behind is taken away

_MAGIC = b"GGUF"
_PREFIX = "upload-"

router = APIRouter(route_class=ConsoleRoute)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Count uploads for as long as the server runs."""
    app.state.uploads = 0
    yield


@router.post("/models/files")
async def add_file(
    request: Request,
    service: ServiceDependency,
    user: Administrator,
    workspace: WorkspaceDependency,
    name: str,
    file: str = "model.gguf",
) -> Response:
    """Take a GGUF file as the body and keep it as the model ``name``; ``file`` is what the file was called."""
    store = Store()
    name = name.strip()
    await service.in_thread(lambda: store.check_own_name(name))
    if name.casefold() in {taken.casefold() for taken in service.names}:
        raise InvalidRequest(f"This server serves a model called {name} already; choose another name.", "name")
    length = request.headers.get("content-length", "")
    size = int(length[:20]) if length.isdecimal() else None
    with _told(), _counted(request.app), _folder(store) as folder:
        arrival = FileArrival(folder / _file_name(file))
        await _receive(request, service, arrival, size)
        await service.in_thread(lambda: arrival.keep(store, name))
    await service.in_thread(lambda: workspace.audit.record(user.name, "model.upload", name, bytes=arrival.length))
    for model in await local_models(request):
        if model.info.name == name:
            return reply(model.info, 201)
    raise ModelNotFound(
        f"{name} is stored, but this server serves only the models that it was started with; start it without --only."
    )


class FileArrival:
    """A file on its way."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self.length = 0

    def check_room(self, missing: int) -> None:
        """Raise `StorageFull` where ``missing`` bytes more would not fit."""
        free = shutil.disk_usage(self._path.parent).free
        if free < missing + SPARE_BYTES:
            raise StorageFull(
                f"The file needs {(missing + SPARE_BYTES) / 1e6:,.0f} MB more on the server's disk, where "
                f"{free / 1e6:,.0f} MB are free; delete models that nobody needs, or choose a smaller file."
            )

    def write(self, file: BinaryIO, chunk: bytes) -> None:
        """Append a chunk. Raises `StorageFull`, and `CorruptModelFile` for a file that is none of GGUF."""
        if self.length == 0 and not chunk.startswith(_MAGIC):
            raise CorruptModelFile(f"{self._path.name} is not a GGUF file; sevenb runs models in this format only.")
        self.check_room(len(chunk))  # what is not announced must not fill the disk, which others write to
        try:
            file.write(chunk)
        except OSError as error:
            raise StorageFull(
                f"The file could not be written to the server's disk ({error.strerror}); make room there and try again."
            ) from error
        self._hash.update(chunk)
        self.length += len(chunk)

    def open(self) -> BinaryIO:
        """The file to write to. Unbuffered, so that a full disk is heard of where it can be told."""
        return self._path.open("wb", buffering=0)

    def keep(self, store: Store, name: str) -> None:
        """Look at the whole file and move it into the store. Raises what is wrong with it."""
        from sevenb.model.checkpoint import Checkpoint
        from sevenb.model.tokenizer import Tokenizer

        try:
            with Checkpoint.open(self._path) as checkpoint:
                Tokenizer.from_metadata(checkpoint.metadata)
                license = str(checkpoint.metadata.get("general.license", ""))
        except ModelNotFound:
            raise InvalidRequest(
                f"{self._path.name} is one part of a model in several files; join them with llama.cpp's "
                "`llama-gguf-split --merge`, or put all of them into a folder and start `sevenb serve` with its path."
            ) from None
        store.add(self._path, self._hash.hexdigest(), name, license)


async def _receive(request: Request, service: ServiceDependency, arrival: FileArrival, size: int | None) -> None:
    await service.in_thread(lambda: arrival.check_room(size or 0))
    with arrival.open() as file:
        buffer = bytearray()

        async def flush() -> None:
            chunk = bytes(buffer)
            buffer.clear()
            await service.in_thread(lambda: arrival.write(file, chunk))

        try:
            async for chunk in request.stream():
                buffer += chunk
                # The first bytes are looked at soon, so that a wrong file is not sent for nothing.
                if len(buffer) >= (CHUNK_BYTES if arrival.length else len(_MAGIC)):
                    await flush()
        except ClientDisconnect:
            raise ClientGone from None
        await flush()
    if size is not None and arrival.length != size:
        raise InvalidRequest("The file did not arrive whole; send it again.")


@contextmanager
def _told() -> Iterator[None]:
    """Give what is wrong with a file its status."""
    try:
        yield
    except (CorruptModelFile, UnsupportedModel) as error:
        raise HttpError(400, str(error), "not_a_model") from None


@contextmanager
def _counted(app: FastAPI) -> Iterator[None]:
    if app.state.uploads >= MAX_UPLOADS:
        raise TooManyRequests(f"{MAX_UPLOADS} files are being added already; wait for one of them.", 30.0)
    app.state.uploads += 1
    try:
        yield
    finally:
        app.state.uploads -= 1


@contextmanager
def _folder(store: Store) -> Iterator[Path]:
    """A folder on the store's disk that is gone behind the block, whatever happened."""
    partial = store.home / "partial"
    with storage_errors(partial):
        partial.mkdir(parents=True, exist_ok=True)
    for left in partial.glob(f"{_PREFIX}*"):
        if time.time() - left.stat().st_mtime > LEFT_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=partial, ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def _file_name(name: str) -> str:
    """The last part of a file's name, without what no file of ours should have in its name."""
    kept = re.sub(r"[^\w.\-+ ()]", "_", name.replace("\\", "/").rpartition("/")[2])[-100:].lstrip(". ")
    return kept if kept.lower().endswith(".gguf") else f"{kept or 'model'}.gguf"
