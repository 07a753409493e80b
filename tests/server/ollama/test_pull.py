"""Pulls as Ollama's clients see them: lines of progress, errors, and downloads that stop when nobody waits."""

import asyncio
import contextlib
import json
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Any, cast

import pytest

from sevenb.errors import DownloadFailed, StorageFull, TooManyRequests
from sevenb.model.download import Progress
from sevenb.model.store import Store
from sevenb.server.errors import problem_of
from sevenb.server.fleet.downloads import MAX_DOWNLOADS, Downloads
from sevenb.server.ollama.pull import pull_lines


class SlowStore:
    """A store whose pull does as it is told."""

    def __init__(self, pull: Callable[[Progress], None]) -> None:
        self._pull = pull
        self.ended = threading.Event()

    def has(self, name: str) -> bool:
        return False

    def pull(self, name: str, progress: Progress) -> None:
        try:
            self._pull(progress)
        finally:
            self.ended.set()


def pull(store: SlowStore, downloads: Downloads | None = None) -> AsyncGenerator[bytes, None]:
    return pull_lines(cast(Store, store), "a-model", downloads or Downloads())


async def to_the_end(store: SlowStore, downloads: Downloads | None = None) -> list[dict[str, Any]]:
    return [json.loads(line) async for line in pull(store, downloads)]


def two_files(progress: Progress) -> None:
    progress.note("Hugging Face cannot be reached.")
    for file, size in (("a.gguf", 100), ("b.gguf", 50)):
        progress.start(f"{file} · ModelScope", size, 10)
        for done in range(10, size + 1, 10):
            progress.update(done)
        progress.finish()


def test_the_lines_tell_files_sizes_and_success() -> None:
    lines = asyncio.run(to_the_end(SlowStore(two_files)))
    assert [line["status"] for line in (lines[0], *lines[-3:])] == [
        "pulling manifest",
        "verifying sha256 digest",
        "writing manifest",
        "success",
    ]
    assert lines[1]["status"] == "Hugging Face cannot be reached."
    first = [line for line in lines if line["status"] == "pulling a.gguf · ModelScope"]
    second = [line for line in lines if line["status"] == "pulling b.gguf · ModelScope"]
    assert (first[0]["completed"], first[-1]["completed"], first[-1]["total"]) == (10, 100, 100)
    assert second[-1]["completed"] == second[-1]["total"] == 50
    # Clients draw a bar for each digest.
    assert len({line["digest"] for line in first}) == 1
    assert first[0]["digest"] != second[0]["digest"]


@pytest.mark.parametrize(
    ("error", "status"), [(DownloadFailed("No source has it."), 502), (StorageFull("No room."), 507)]
)
def test_what_goes_wrong_is_told(error: Exception, status: int) -> None:
    def fail(progress: Progress) -> None:
        raise error

    with pytest.raises(type(error), match=str(error)) as caught:
        asyncio.run(to_the_end(SlowStore(fail)))
    assert problem_of(caught.value).status == status


def for_ever(progress: Progress) -> None:
    progress.start("a.gguf", 10, 0)
    pause = threading.Event()
    while True:
        progress.update(1)
        pause.wait(0.01)


def test_a_client_that_leaves_stops_the_download() -> None:
    store = SlowStore(for_ever)

    async def test() -> None:
        lines = pull(store)
        assert b"pulling manifest" in await anext(lines)
        assert b"a.gguf" in await anext(lines)
        await lines.aclose()
        assert await asyncio.to_thread(store.ended.wait, 60)

    asyncio.run(test())


def test_only_so_many_at_once() -> None:
    async def test() -> None:
        downloads = Downloads()
        stores = [SlowStore(for_ever) for _ in range(MAX_DOWNLOADS)]
        running = [pull(store, downloads) for store in stores]
        for lines in running:
            await anext(lines)
        with pytest.raises(TooManyRequests):
            await anext(pull(SlowStore(two_files), downloads))
        for lines in running:
            await lines.aclose()
        for store in stores:
            await asyncio.to_thread(store.ended.wait, 60)
        async with asyncio.timeout(60):
            while True:  # a moment later their places are free
                with contextlib.suppress(TooManyRequests):
                    assert await to_the_end(SlowStore(two_files), downloads)
                    break
                await asyncio.sleep(0.01)

    asyncio.run(test())
