"""The models page: what is here, what fits, what other servers have, and which is used."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage
from tests.console.models.place import PATH, Place, Start, action, row
from tests.model.tiny_gguf import TinyModel

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
    open_page: OpenPage,
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
    open_page: OpenPage, start_console: Start, tmp_path: Path
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
