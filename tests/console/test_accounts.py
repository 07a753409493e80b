"""Accounts in the page: the first administrator, signing in, keys, devices, users, usage."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program

PASSWORD = "correct horse"

StartConsole = Callable[..., AbstractContextManager[Program]]


def setup_link(program: Program) -> str:
    """The path of the link that the server shows until there is an account."""
    link = re.search(r"/#/setup\?token=[\w-]+", "".join(program.output))
    assert link
    return link[0]


class Administrator:
    """Anna, by way of the API."""

    def __init__(self, program: Program) -> None:
        self.http = httpx.Client(base_url=f"{program.url}/console/api", headers={"X-Sevenb-Console": "1"}, timeout=60)
        token = setup_link(program).partition("=")[2]
        self._post("/setup", token=token, name="anna", password=PASSWORD)

    def new_user(self, name: str) -> str:
        """The id of a new account."""
        return str(self._post("/admin/users", name=name, password=PASSWORD)["id"])

    def new_key(self, name: str) -> str:
        """The secret of a new key."""
        return str(self._post("/keys", name=name)["secret"])

    def _post(self, path: str, **body: str) -> dict[str, str]:
        response = self.http.post(path, json=body)
        assert response.is_success, response.text
        return dict(response.json())


@pytest.fixture(scope="module")
def program(start_console: StartConsole) -> Iterator[Program]:
    """A server that others reach: it has accounts."""
    with start_console("--host", "0.0.0.0") as running:
        yield running


@pytest.fixture(scope="module")
def anna(program: Program) -> Administrator:
    return Administrator(program)


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


@pytest.fixture
def sign_in_as(open_page: OpenPage, program: Program, anna: Administrator) -> Callable[..., Page]:
    """Open a page and sign in: ``sign_in_as("anna", "/#/settings/keys")``."""

    def sign_in_as(name: str, path: str = "/#/chat", **options: str) -> Page:
        page = open_page(path, at=program.url, **options)
        sign_in(page, name)
        expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()
        return page

    return sign_in_as


def user_menu(page: Page, item: str) -> None:
    page.get_by_role("button", name=re.compile("^Account: ")).click()
    page.get_by_role("menuitem", name=item).click()


# -- getting in --------------------------------------------------------------------------------------


def test_the_link_of_the_start_makes_the_first_administrator(
    open_page: OpenPage,
    start_console: StartConsole,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    with start_console("--host", "0.0.0.0") as program:
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
    open_page: OpenPage, start_console: StartConsole, screenshot: Callable[[Page, str], object]
) -> None:
    with start_console() as program:
        headers = {"X-Sevenb-Console": "1"}
        httpx.post(f"{program.url}/console/api/chats", json={"title": "Older than the account"}, headers=headers)
        page = open_page("/#/settings/account", at=program.url)
        page.get_by_role("button", name="Make an account").click()
        page.get_by_role("button", name="Make the first account").click()
        page.get_by_label("Name", exact=True).fill("anna")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        screenshot(page, "admin-first-account")
        page.get_by_role("button", name="Create", exact=True).click()
        expect(page.get_by_role("button", name="Account: anna")).to_be_visible()
        expect(page.get_by_text("Older than the account")).to_be_visible()
        expect(page.get_by_role("row", name=re.compile("anna.*Administrator"))).to_be_visible()
        assert httpx.get(f"{program.url}/v1/models").status_code == 401


# -- one's own account -------------------------------------------------------------------------------


def test_a_key_is_shown_once_works_and_is_revoked(
    sign_in_as: Callable[..., Page],
    program: Program,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    def status(secret: str) -> int:
        return httpx.get(f"{program.url}/v1/models", headers={"Authorization": f"Bearer {secret}"}).status_code

    page = sign_in_as("anna", "/#/settings/keys")
    page.get_by_role("button", name="New key").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("editor <b>on the laptop</b>")
    dialog.get_by_label("Expires").select_option("In 30 days")
    dialog.get_by_role("button", name="Create key").click()
    secret = dialog.get_by_label("Secret key").inner_text()
    assert secret.startswith("sk-sevenb-")
    screenshot(page, "settings-key-created")
    axe(page)
    dialog.get_by_role("button", name="Copy").first.click()
    assert page.evaluate("navigator.clipboard.readText()") == secret
    assert status(secret) == 200
    dialog.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name=re.compile("editor <b>on the laptop</b>"))
    expect(row).to_contain_text(secret[:12])
    assert secret not in page.content()
    page.reload()
    expect(row).to_be_visible()
    assert secret not in page.content()
    screenshot(page, "settings-keys")
    row.get_by_role("button", name=re.compile("^Revoke")).click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(row).to_have_count(0)
    assert status(secret) == 401


def test_a_new_password_signs_the_other_devices_out(
    sign_in_as: Callable[..., Page], anna: Administrator, screenshot: Callable[[Page, str], object]
) -> None:
    anna.new_user("cora")
    phone = sign_in_as("cora", size="tablet")
    page = sign_in_as("cora", "/#/settings/account")
    expect(page.get_by_text("This device")).to_have_count(1)
    expect(page.get_by_role("button", name="Sign out this device")).to_have_count(1)
    screenshot(page, "settings-account")

    page.get_by_label("Current password").fill("wrong horse")
    page.get_by_label("New password", exact=True).fill("battery staple")
    page.get_by_label("New password again").fill("battery staple")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_role("alert")).to_have_text("The current password is wrong.")
    page.get_by_label("Current password").fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("The password is changed")).to_be_visible()
    expect(page.get_by_role("button", name="Account: cora")).to_be_visible()

    phone.reload()
    expect(phone.get_by_role("button", name="Sign in")).to_be_visible()
    sign_in(phone, "cora", "battery staple")
    expect(phone.get_by_role("button", name="Account: cora")).to_be_attached()


def test_language_theme_and_sending_key_follow_the_user(
    sign_in_as: Callable[..., Page], open_page: OpenPage, program: Program, anna: Administrator
) -> None:
    anna.new_user("dora")
    page = sign_in_as("dora", "/#/settings/general")
    page.get_by_label("Theme").select_option("Dark")
    page.get_by_label("Send a message with").select_option(re.compile("Ctrl"))
    page.get_by_label("Language", exact=True).select_option("中文")
    expect(page.get_by_role("heading", name="设置", level=1)).to_be_visible()

    elsewhere = open_page("/#/settings/general", at=program.url)
    sign_in(elsewhere, "dora")
    expect(elsewhere.get_by_role("heading", name="设置", level=1)).to_be_visible()
    assert elsewhere.locator("html").get_attribute("data-theme") == "dark"
    expect(elsewhere.get_by_label("发送消息的按键")).to_have_value("ctrl-enter")


# -- administration ----------------------------------------------------------------------------------


def test_a_user_is_made_works_here_and_is_locked_out(
    sign_in_as: Callable[..., Page],
    program: Program,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    page = sign_in_as("anna", "/#/admin/users")
    page.get_by_role("button", name="New user").click()
    page.get_by_role("dialog").get_by_label("Name", exact=True).fill("Emil 李雷")
    page.get_by_role("dialog").get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("dialog").get_by_role("button", name="Create").click()
    row = page.get_by_role("row", name=re.compile("Emil 李雷"))
    expect(row).to_contain_text("Active")
    screenshot(page, "admin-users")
    axe(page)

    emil = sign_in_as("emil 李雷")
    expect(emil.get_by_role("button", name="Account: Emil 李雷")).to_be_visible()
    emil.goto(f"{program.url}/#/admin/users")
    expect(emil.get_by_text("There is no such page")).to_be_visible()

    row.get_by_role("button", name=re.compile("^Actions")).click()
    page.get_by_role("menuitem", name="Disable").click()
    page.get_by_role("dialog").get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Disabled")
    emil.goto(f"{program.url}/#/settings/usage")
    expect(emil.get_by_role("button", name="Sign in")).to_be_visible()

    row.get_by_role("button", name=re.compile("^Actions")).click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the account").click()
    expect(row).to_have_count(0)
    page.goto(f"{program.url}/#/admin/audit")
    expect(page.get_by_role("row", name=re.compile("Account deleted: Emil 李雷"))).to_be_visible()
    screenshot(page, "admin-audit")
    axe(page)


def test_usage_is_plotted_by_model_and_told_in_a_table(
    sign_in_as: Callable[..., Page],
    program: Program,
    anna: Administrator,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    headers = {"Authorization": f"Bearer {anna.new_key('usage')}"}
    body = {"prompt": "One two three", "max_tokens": 8, "ignore_eos": True}
    answer = httpx.post(f"{program.url}/v1/completions", json=body, headers=headers, timeout=120).json()
    assert answer["usage"]["completion_tokens"] == 8

    page = sign_in_as("anna", "/#/admin/usage")
    row = page.get_by_role("row", name=re.compile("^coder "))
    expect(row).to_contain_text(str(answer["usage"]["prompt_tokens"]))
    plot = page.get_by_role("group", name=re.compile("^Tokens over time"))
    assert plot.locator("rect[class^=series]").count() >= 1
    plot.focus()
    page.keyboard.press("End")
    expect(page.locator("figcaption")).to_contain_text(re.compile(r"\d+ tokens"))
    screenshot(page, "admin-usage")
    axe(page)
    page.get_by_role("tab", name="By user").click()
    expect(page.get_by_role("row", name=re.compile("^anna "))).to_be_visible()
    page.get_by_role("tab", name="7 days").click()
    expect(page.get_by_role("row", name=re.compile("^anna "))).to_be_visible()


@pytest.mark.parametrize("size", ["phone", "tablet"])
@pytest.mark.parametrize("path", ["settings/general", "settings/keys", "settings/usage", "admin/users", "admin/server"])
def test_every_page_fits_small_screens_in_chinese_and_in_the_dark(
    open_page: OpenPage,
    program: Program,
    anna: Administrator,
    size: str,
    path: str,
    screenshot: Callable[[Page, str], object],
    axe: Callable[..., None],
) -> None:
    page = open_page(f"/#/{path}", at=program.url, size=size, language="zh", theme="dark")
    page.get_by_label("用户名").fill("anna")
    page.get_by_label("密码", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("navigation", name=re.compile("分区"))).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    axe(page)
    screenshot(page, f"{path.replace('/', '-')}-{size}-zh-dark")
