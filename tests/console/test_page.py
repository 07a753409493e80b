"""The frame of the page: its places, languages, themes and widths, its palette and keys, and what it does offline."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage, focused
from tests.console.watched import idle
from tests.e2e.conftest import Program


def test_opens_at_once_on_this_machine(page: Page) -> None:
    expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("textbox").first).to_be_visible()


def test_every_place_has_an_address_of_its_own(page: Page) -> None:
    navigation = page.get_by_role("navigation", name="Navigation")
    navigation.get_by_role("link", name="Models").click()
    expect(page).to_have_url(re.compile("#/models$"))
    expect(page.get_by_role("heading", name="Models", exact=True).first).to_be_visible()
    navigation.get_by_role("link", name="Compare").click()
    expect(page).to_have_url(re.compile("#/compare"))
    page.go_back()
    expect(page.get_by_role("heading", name="Models", exact=True).first).to_be_visible()


def test_an_unknown_address_says_so_and_leads_back(open_page: OpenPage) -> None:
    page = open_page("/#/nowhere/at/all")
    expect(page.get_by_text("There is no such page")).to_be_visible()
    page.get_by_role("button", name="Start a chat").click()
    expect(page).to_have_url(re.compile("#/chat$"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_follows_the_theme_of_the_system_from_the_first_paint(open_page: OpenPage, theme: str) -> None:
    page = open_page(theme=theme)
    # Said before anything of the page has run: the script stands in the head.
    assert page.locator("html").get_attribute("data-theme") == theme
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    lightness = sum(map(int, re.findall(r"\d+", ground)[:3])) / 3
    assert (lightness > 200) == (theme == "light")


def test_keeps_the_theme_that_was_chosen(open_page: OpenPage) -> None:
    page = open_page(theme="light")
    _choose(page, "Theme: Dark")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    idle(page)
    page.reload()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    _choose(page, "Theme: System")
    expect(page.locator("html")).to_have_attribute("data-theme", "light")
    idle(page)


def test_speaks_the_language_of_the_browser_and_changes_it_at_once(open_page: OpenPage) -> None:
    page = open_page(language="zh")
    expect(page.get_by_role("navigation", name="导航").get_by_role("link", name="模型")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    page.keyboard.press("Control+k")
    page.get_by_role("option", name="Switch to English").click()
    expect(page.get_by_role("link", name="Models")).to_be_visible()
    assert page.locator("html").get_attribute("lang") == "en-GB"
    _choose(page, "切换到中文")
    expect(page.get_by_role("link", name="模型")).to_be_visible()
    _choose(page, "Switch to English", palette="搜索与命令")
    expect(page.get_by_role("link", name="Models")).to_be_visible()
    idle(page)


def _choose(page: Page, command: str, *, palette: str = "Search and commands") -> None:
    page.get_by_role("main").wait_for()
    idle(page)  # the keys of the page are heard once it is whole
    page.keyboard.press("Control+k")
    page.get_by_role("combobox", name=palette).fill(command)
    page.get_by_role("option", name=command).first.click()
    expect(page.get_by_role("dialog", name=palette)).to_be_hidden()


def test_the_palette_finds_commands_and_goes_with_arrows(page: Page) -> None:
    expect(page.get_by_role("main")).to_be_visible()
    idle(page)
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="Search and commands")
    expect(field).to_be_focused()
    field.press("ArrowDown")
    field.press("ArrowDown")
    expect(page.get_by_role("option", selected=True)).to_have_count(1)
    field.fill("api keys")
    expect(page.get_by_role("option", selected=True)).to_contain_text("API keys")
    field.press("Enter")
    expect(page).to_have_url(re.compile("#/settings/keys$"))
    page.keyboard.press("Control+k")
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Search and commands")).to_be_hidden()


def test_the_palette_finds_chats_by_what_was_said_in_them(page: Page, console: Program) -> None:
    with console.http as http:
        http.headers["X-Sevenb-Console"] = "1"
        archive = _archive("The lighthouse of Ushant", "its lamp turns every twelve seconds")
        http.post("/console/api/import", json=archive).raise_for_status()
    page.reload()
    page.get_by_role("main").wait_for()
    idle(page)  # the keys of the page are heard once it is whole
    page.keyboard.press("Control+k")
    page.get_by_role("combobox").fill("lamp turns")
    page.get_by_role("option", name="Ushant").click()
    expect(page).to_have_url(re.compile(r"#/chat/\w+"))
    expect(page.get_by_text("its lamp turns every twelve seconds")).to_be_visible()


def _archive(title: str, text: str) -> dict[str, object]:
    message = {
        "id": "m1",
        "parent_id": None,
        "role": "user",
        "content": text,
        "attachments": [],
        "tool_calls": [],
        "tool_call_id": None,
        "model": None,
        "status": "complete",
        "finish_reason": None,
        "error": None,
        "figures": None,
        "valid": None,
        "created_at": 1_760_000_000.0,
    }
    chat = {
        "id": "c1",
        "title": title,
        "titled": True,
        "model": None,
        "pinned": False,
        "folder_id": None,
        "created_at": 1_760_000_000.0,
        "updated_at": 1_760_000_000.0,
        "settings": {},
        "leaf_id": "m1",
        "messages": [message],
    }
    return {"format": "sevenb-chats", "version": 1, "exported_at": 1_760_000_000.0, "folders": [], "chats": [chat]}


def test_keys_open_their_help_and_hide_the_sidebar(page: Page) -> None:
    expect(page.get_by_role("main")).to_be_visible()
    page.get_by_role("navigation", name="Navigation").get_by_role("link", name="Models").click()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keyboard shortcuts")
    expect(dialog).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("Control+b")
    expect(page.get_by_role("navigation", name="Navigation")).to_be_hidden()
    page.get_by_role("button", name="Show the sidebar").click()
    expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()


def test_on_a_phone_the_sidebar_is_a_drawer_and_nothing_is_wider_than_the_screen(open_page: OpenPage) -> None:
    page = open_page("/#/settings/general", size="phone")
    drawer = page.get_by_role("dialog", name="Navigation")
    expect(drawer).to_be_hidden()
    page.get_by_role("button", name="Show the sidebar").click()
    expect(drawer).to_be_visible()
    drawer.get_by_role("link", name="Models").click()
    expect(drawer).to_be_hidden()
    for path in ("chat", "compare", "models", "settings/general", "settings/usage", "admin/users"):
        page.evaluate("(path) => { location.hash = path; }", f"#/{path}")
        idle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path


def test_says_that_the_server_is_away_and_goes_on_when_it_is_back(open_page: OpenPage) -> None:
    page = open_page("/#/models")
    expect(page.get_by_role("heading", name="Models", exact=True).first).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("The server cannot be reached. What you type stays here.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("The server cannot be reached. What you type stays here.")).to_be_hidden()


def test_a_first_load_without_the_server_offers_another_try(
    open_page: OpenPage, start_console: Callable[..., AbstractContextManager[Program]]
) -> None:
    page = open_page()
    page.route("**/console/api/session", lambda route: route.abort())
    page.reload()
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")
    page.unroute("**/console/api/session")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()


@pytest.mark.parametrize("size", ["desk", "tablet", "phone"])
@pytest.mark.parametrize(("theme", "language"), [("light", "en"), ("dark", "zh")])
def test_pictures_of_every_place(
    open_page: OpenPage, screenshot: Callable[[Page, str], Path], size: str, theme: str, language: str
) -> None:
    page = open_page(size=size, theme=theme, language=language)
    for path in ("chat", "compare", "models", "settings/general", "settings/keys", "settings/usage", "admin/users"):
        page.evaluate("(path) => { location.hash = path; }", f"#/{path}")
        picture = screenshot(page, f"{path.replace('/', '-')}-{size}-{theme}-{language}")
        assert picture.stat().st_size > 5000


def test_the_skip_link_leads_past_the_sidebar(open_page: OpenPage) -> None:
    page = open_page("/#/settings/general")
    expect(page.get_by_role("main")).to_be_visible()
    page.keyboard.press("Tab")
    expect(focused(page)).to_have_text("Skip to the content")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
