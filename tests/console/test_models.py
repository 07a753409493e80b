"""The models page: what is here and what fits, downloads, dropped files, loading, defaults, other servers."""

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Program
from tests.hub import Hub, serve
from tests.model.tiny_gguf import TinyModel
from tests.server.upstream.other_server import LLAMA_CPP_MODELS, OtherServer, chunk, running

PATH = "/#/models"


@dataclass
class Place:
    """A server with a store of its own, a hub that it pulls from, and another server behind it."""

    program: Program
    hub: Hub
    home: Path


@pytest.fixture(scope="module")
def place(start_console: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("models")
    home = folder / "home"
    content = TinyModel(seed=1).write(folder / "hub.gguf").read_bytes()
    other = OtherServer(models=LLAMA_CPP_MODELS, events=[chunk(content="From elsewhere."), chunk("stop")])
    with serve(Hub({"model-q8_0.gguf": content})) as hub, running(other):
        upstreams = ("--upstream", f"peer={other.url}", "--upstream", "gone=http://127.0.0.1:9")
        environment = {"SEVENB_HOME": str(home), "HF_ENDPOINT": hub.url, "MODELSCOPE_DOMAIN": "127.0.0.1:9"}
        model = TinyModel(context=4096).write(folder / "served.gguf")
        with start_console(*upstreams, model=model, **environment) as program:
            yield Place(program, hub, home)


@pytest.fixture
def models(open_page: Callable[..., Page], place: Place) -> Page:
    """The page, its models shown."""
    page = open_page(PATH, at=place.program.url)
    expect(row(page, "coder").first).to_be_visible()
    return page


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


# -- what there is -----------------------------------------------------------------------------------


def test_the_page_tells_what_is_here_what_fits_and_what_is_elsewhere(
    models: Page, axe: Callable[..., None], screenshot: Callable[..., Path]
) -> None:
    expect(row(models, "coder")).to_contain_text("Loaded")
    expect(row(models, "coder")).to_contain_text("of memory")
    expect(row(models, "qwen2.5-coder:7b")).to_contain_text(re.compile("Fits with|Too large"))
    expect(row(models, "peer/coder")).to_contain_text("2K tokens of context")
    expect(models.get_by_text("cannot be reached (Connection refused)")).to_be_visible()
    expect(models.get_by_role("progressbar", name="Memory")).to_be_visible()
    expect(models.get_by_role("progressbar", name="Disk")).to_be_visible()
    assert models.title() == "Models · sevenb"
    axe(models)
    screenshot(models, "models-desk-light-en")


@pytest.mark.parametrize(("size", "theme"), [("tablet", "dark"), ("phone", "light")])
def test_the_page_in_chinese_fits_every_width(
    open_page: Callable[..., Page],
    place: Place,
    axe: Callable[..., None],
    screenshot: Callable[..., Path],
    size: str,
    theme: str,
) -> None:
    page = open_page(PATH, at=place.program.url, size=size, theme=theme, language="zh")
    expect(row(page, "coder")).to_contain_text("已加载")
    expect(page.get_by_role("button", name="添加模型")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(page)
    screenshot(page, f"models-{size}-{theme}-zh")


def test_a_search_narrows_the_lists(models: Page) -> None:
    models.get_by_role("searchbox", name="Search models").fill("coder:7")
    expect(row(models, "qwen2.5-coder:7b")).to_be_visible()
    expect(row(models, "qwen2.5-coder:3b")).to_have_count(0)
    models.get_by_role("searchbox", name="Search models").fill("no such thing")
    expect(models.get_by_text("No model of the catalog matches")).to_be_visible()


def test_a_server_that_is_away_is_told_and_asked_again(models: Page) -> None:
    models.route("**/console/api/models", lambda route: route.abort())
    models.reload()
    expect(models.get_by_role("main").get_by_text("The server cannot be reached")).to_be_visible()
    models.unroute("**/console/api/models")
    models.get_by_role("main").get_by_role("button", name="Try again").click()
    expect(row(models, "coder")).to_be_visible()


# -- downloads ---------------------------------------------------------------------------------------


def test_a_download_shows_how_far_it_is_stops_and_goes_on(
    models: Page, place: Place, screenshot: Callable[..., Path]
) -> None:
    place.hub.chunk_seconds = 0.4
    dialog = add(models, "Download by name…")
    dialog.get_by_label("Name").fill("org/model")
    dialog.get_by_role("button", name="Download").click()
    expect(dialog).to_have_count(0)
    arriving = transfer(models, "org/model")
    expect(arriving).to_contain_text(re.compile(r"\d KB of 1.\d MB"))
    screenshot(models, "models-download")
    models.reload()  # it goes on without the page
    expect(arriving.get_by_role("progressbar")).to_be_visible()
    models.get_by_role("button", name="Stop org/model").click()
    expect(arriving).to_contain_text("Stopped; what arrived is kept")
    place.hub.chunk_seconds = 0.0
    arriving.get_by_role("button", name="Go on").click()
    expect(arriving).to_contain_text("Downloaded and checked")
    expect(row(models, "org/model")).to_be_visible()
    arriving.get_by_role("button", name="Remove from the list").click()
    expect(arriving).to_have_count(0)
    delete(models, "org/model")


def test_a_download_that_fails_says_why_and_an_unknown_name_is_told_in_the_dialog(models: Page, place: Place) -> None:
    dialog = add(models, "Download by name…")
    dialog.get_by_label("Name").fill("qwen2.5-codr:7b")
    dialog.get_by_label("Name").press("Enter")
    expect(dialog).to_contain_text("did you mean qwen2.5-coder:7b")
    place.hub.missing = True
    dialog.get_by_label("Name").fill("org/missing")
    dialog.get_by_label("Name").press("Enter")
    expect(transfer(models, "org/missing")).to_contain_text("Not downloaded")
    expect(transfer(models, "org/missing").get_by_role("alert")).to_contain_text("Hugging Face")
    place.hub.missing = False
    transfer(models, "org/missing").get_by_role("button", name="Remove from the list").click()


# -- files -------------------------------------------------------------------------------------------


def test_a_dropped_file_becomes_a_model_that_loads_unloads_and_goes(
    models: Page, tmp_path: Path, screenshot: Callable[..., Path]
) -> None:
    content = tiny(tmp_path, 2)
    drag(models, "dragenter", "x.gguf", content)
    expect(models.get_by_text("Drop a .gguf file to add it")).to_be_visible()
    dialog = drop(models, "My Model-7B-Q8_0.gguf", content)
    expect(models.get_by_text("Drop a .gguf file to add it")).to_have_count(0)
    expect(dialog.get_by_label("Name")).to_have_value("my-model-7b:q8_0")
    screenshot(models, "models-file")
    dialog.get_by_label("Name").fill("dropped")
    dialog.get_by_role("button", name="Add model").click()
    added = row(models, "dropped")
    expect(added).to_contain_text("Q8_0")
    models.get_by_role("button", name="Load dropped").click()
    expect(added).to_contain_text("Loaded")
    expect(added).to_contain_text("unloads in")
    action(models, "dropped", "Keep loaded until the server stops")
    expect(added).to_contain_text("stays loaded")
    models.get_by_role("button", name="Unload dropped").click()
    expect(models.get_by_role("button", name="Load dropped")).to_be_visible()
    delete(models, "dropped")


def test_a_chosen_file_is_judged_before_it_is_sent(models: Page, tmp_path: Path) -> None:
    dialog = add(models, "Add a .gguf file…")
    chooser = dialog.locator("input[type=file]")
    button = dialog.get_by_role("button", name="Add model")
    for name, content, told in (
        ("picture.gguf", b"\x89PNG", "is not a GGUF file"),
        ("big-00001-of-00003.gguf", b"GGUF", "one part of a model"),
    ):
        chooser.set_input_files({"name": name, "mimeType": "application/octet-stream", "buffer": content})
        expect(dialog.get_by_role("alert")).to_contain_text(told)
        expect(button).to_be_disabled()
    chooser.set_input_files({"name": "good.gguf", "mimeType": "application/octet-stream", "buffer": tiny(tmp_path, 3)})
    expect(button).to_be_enabled()
    dialog.get_by_label("Name").fill("coder")
    expect(dialog).to_contain_text("There is a model of this name already")
    expect(button).to_be_disabled()
    dialog.get_by_label("Name").fill("a/b")
    expect(dialog).to_contain_text("Letters, digits")
    expect(button).to_be_disabled()


def test_a_damaged_file_is_told_and_nothing_of_it_stays(models: Page, tmp_path: Path, place: Place) -> None:
    dialog = drop(models, "damaged.gguf", tiny(tmp_path, 4)[:-500])
    dialog.get_by_role("button", name="Add model").click()
    expect(transfer(models, "damaged")).to_contain_text("Not added")
    expect(transfer(models, "damaged").get_by_role("alert")).to_contain_text("damaged.gguf")
    transfer(models, "damaged").get_by_role("button", name="Remove from the list").click()
    expect(transfer(models, "damaged")).to_have_count(0)
    assert not list((place.home / "partial").glob("upload-*"))


def test_a_file_can_be_stopped_on_its_way(models: Page, tmp_path: Path, place: Place) -> None:
    models.route(re.compile("/models/files"), lambda _: None)  # it never gets there
    dialog = drop(models, "endless.gguf", tiny(tmp_path, 5))
    dialog.get_by_role("button", name="Add model").click()
    models.get_by_role("button", name="Stop endless").click()
    expect(transfer(models, "endless")).to_contain_text("Stopped; nothing was kept")
    expect(row(models, "endless")).to_have_count(0)


# -- use ---------------------------------------------------------------------------------------------


def test_a_default_is_shown_and_stays(models: Page) -> None:
    action(models, "peer/coder", "Use for my new chats")
    expect(row(models, "peer/coder")).to_contain_text("Your default")
    models.reload()
    expect(row(models, "peer/coder")).to_contain_text("Your default")
    action(models, "peer/coder", "Use the server’s default instead")
    expect(row(models, "peer/coder")).not_to_contain_text("Your default")
    action(models, "peer/coder", "Use for everyone’s new chats")
    expect(row(models, "peer/coder")).to_contain_text("Server default")
    action(models, "peer/coder", "No default for everyone")
    expect(row(models, "peer/coder")).not_to_contain_text("Server default")


def test_the_keyboard_alone_opens_what_adds_a_model(models: Page) -> None:
    button = models.get_by_role("button", name="Add a model")
    button.focus()
    models.keyboard.press("Enter")
    expect(models.get_by_role("menuitem", name="Download by name…")).to_be_focused()
    models.keyboard.press("Enter")
    expect(models.get_by_role("dialog").get_by_label("Name")).to_be_focused()
    models.keyboard.press("Escape")
    expect(models.get_by_role("dialog")).to_have_count(0)


def test_who_is_no_administrator_sees_models_and_changes_none(
    open_page: Callable[..., Page], start_console: Callable[..., Any], tmp_path: Path
) -> None:
    model = TinyModel(context=4096).write(tmp_path / "served.gguf")
    with start_console(model=model, SEVENB_HOME=str(tmp_path / "home")) as program:
        headers = {"X-Sevenb-Console": "1"}
        with program.http as http:
            for name, role in (("anna", "admin"), ("ben", "user")):
                body = {"name": name, "password": "correct horse", "role": role}
                assert http.post("/console/api/admin/users", json=body, headers=headers).is_success
                http.post("/console/api/login", json={"name": "anna", "password": "correct horse"}, headers=headers)
        page = open_page(PATH, at=program.url)
        page.get_by_label("Name").fill("ben")
        page.get_by_label("Password", exact=True).fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        expect(row(page, "coder")).to_contain_text("Loaded")
        for name in ("Add a model", "Unload coder", "Download qwen2.5-coder:7b"):
            expect(page.get_by_role("button", name=name)).to_have_count(0)
        page.get_by_role("button", name="More actions for coder").click()
        expect(page.get_by_role("menuitem")).to_have_count(2)
