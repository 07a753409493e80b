"""A server with a store of its own for tests of the models page, and what its tests do there."""

import base64
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Program
from tests.hub import Hub, serve
from tests.model.tiny_gguf import TinyModel
from tests.server.upstream.other_server import LLAMA_CPP_MODELS, OtherServer, chunk, running

PATH = "/#/models"


class Start(Protocol):
    """Starts a server with the page."""

    def __call__(self, *arguments: str, model: Path, **environment: str) -> AbstractContextManager[Program]: ...


@dataclass
class Place:
    """A server with a store of its own, a hub that it pulls from, and another server behind it."""

    program: Program
    hub: Hub
    home: Path


@contextmanager
def open_place(start: Start, folder: Path) -> Iterator[Place]:
    """Start all of it; the served model is called ``coder``."""
    home = folder / "home"
    content = TinyModel(seed=1).write(folder / "hub.gguf").read_bytes()
    other = OtherServer(models=LLAMA_CPP_MODELS, events=[chunk(content="From elsewhere."), chunk("stop")])
    with serve(Hub({"model-q8_0.gguf": content})) as hub, running(other):
        upstreams = ("--upstream", f"peer={other.url}", "--upstream", "gone=http://127.0.0.1:9")
        environment = {"SEVENB_HOME": str(home), "HF_ENDPOINT": hub.url, "MODELSCOPE_DOMAIN": "127.0.0.1:9"}
        model = TinyModel(context=4096).write(folder / "served.gguf")
        with start(*upstreams, model=model, **environment) as program:
            yield Place(program, hub, home)


def row(page: Page, name: str) -> Locator:
    return page.locator(f'[data-model="{name}"]')


def transfer(page: Page, name: str) -> Locator:
    return page.locator(f'[data-transfer="{name}"]')


def add(page: Page, way: str) -> Locator:
    """Open one of the dialogs that add a model."""
    page.get_by_role("button", name="Add a model").click()
    page.get_by_role("menuitem", name=way).click()
    return page.get_by_role("dialog")


def action(page: Page, model: str, name: str) -> None:
    page.get_by_role("button", name=f"More actions for {model}").click()
    page.get_by_role("menuitem", name=name).click()


def delete(page: Page, name: str) -> None:
    action(page, name, "Delete…")
    page.get_by_role("button", name="Delete model").click()
    expect(row(page, name)).to_have_count(0)


def tiny(tmp_path: Path, seed: int) -> bytes:
    return TinyModel(seed=seed).write(tmp_path / f"{seed}.gguf").read_bytes()


def drag(page: Page, event: str, name: str, content: bytes) -> None:
    """What the browser tells when a file is dragged over the page, or dropped on it."""
    page.evaluate(
        """([event, name, content]) => {
            const transfer = new DataTransfer();
            transfer.items.add(new File([Uint8Array.from(atob(content), (c) => c.charCodeAt(0))], name));
            const options = {dataTransfer: transfer, bubbles: true, cancelable: true};
            document.body.dispatchEvent(new DragEvent(event, options));
        }""",
        [event, name, base64.b64encode(content).decode()],
    )


def drop(page: Page, name: str, content: bytes) -> Locator:
    drag(page, "drop", name, content)
    return page.get_by_role("dialog")
