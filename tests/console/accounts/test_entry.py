"""The door: the first administrator, signing in and out, and what becomes of the open console."""

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.console.accounts.people import PASSWORD, Administrator, StartConsole, setup_link, user_menu
from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program


def test_the_link_of_the_start_makes_the_first_administrator(
    open_page: OpenPage,
    start_console: StartConsole,
    smollm2: Path,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    with start_console("--host", "0.0.0.0", model=smollm2) as program:
        stranger = open_page("/", at=program.url)
        expect(stranger.get_by_role("heading", name="This server is still to be set up")).to_be_visible()
        axe(stranger)
        screenshot(stranger, "entry-unprepared")

        page = open_page(setup_link(program), at=program.url)
        page.get_by_label("Name", exact=True).fill("anna")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill("something else")
        page.get_by_role("button", name="Create the account").click()
        expect(page.get_by_role("alert")).to_contain_text("differ")
        screenshot(page, "entry-setup")
        axe(page)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Create the account").click()
        expect(page.get_by_role("button", name="Account: anna")).to_be_visible()
        assert "token" not in page.url
        page.reload()
        expect(page.get_by_role("button", name="Account: anna")).to_be_visible()

        stranger.get_by_role("button", name="Check again").click()
        expect(stranger.get_by_role("button", name="Sign in")).to_be_visible()
        page = open_page(setup_link(program), at=program.url)  # it has done its work
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()


def test_one_signs_in_and_out_with_the_keyboard_alone(
    open_page: OpenPage, program: Program, anna: Administrator, screenshot: Callable[[Page, str], object]
) -> None:
    page = open_page("/#/models", at=program.url)
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("anna")
    page.keyboard.press("Tab")
    page.keyboard.type("wrong horse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("Name or password is wrong.")
    screenshot(page, "entry-wrong-password")
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()  # where the link led
    user_menu(page, "Sign out")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(("language", "title"), [("en", "Sign in"), ("zh", "登录")])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_door_speaks_both_languages_and_is_accessible(
    open_page: OpenPage,
    program: Program,
    anna: Administrator,
    language: str,
    title: str,
    theme: str,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    page = open_page("/", at=program.url, language=language, theme=theme, size="phone")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    axe(page)
    screenshot(page, f"entry-{language}-{theme}")
    other, its_title = ("中文", "登录") if language == "en" else ("English", "Sign in")
    page.get_by_role("button", name=other).click()
    expect(page.get_by_role("heading", name=its_title)).to_be_visible()


def test_the_open_console_becomes_that_of_its_first_account(
    open_page: OpenPage, start_console: StartConsole, smollm2: Path, screenshot: Callable[[Page, str], object]
) -> None:
    with start_console(model=smollm2) as program:
        headers = {"X-Sevenb-Console": "1"}
        httpx.post(f"{program.url}/console/api/chats", json={"title": "Older than the account"}, headers=headers)
        page = open_page("/#/settings/account", at=program.url)
        page.get_by_role("button", name="Create an account").click()
        page.get_by_role("button", name="Create the first account").click()
        page.get_by_label("Name", exact=True).fill("anna")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        screenshot(page, "admin-first-account")
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_role("button", name="Account: anna")).to_be_visible()
        expect(page.get_by_text("Older than the account")).to_be_visible()
        expect(page.get_by_role("row", name=re.compile("anna.*Administrator"))).to_be_visible()
        assert httpx.get(f"{program.url}/v1/models").status_code == 401
