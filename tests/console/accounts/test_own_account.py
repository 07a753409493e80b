"""What users find under Settings: keys, password, devices, preferences."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.console.accounts.people import PASSWORD, Administrator, sign_in
from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program


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
    row = page.get_by_role("row").filter(has_text="editor <b>on the laptop</b>")
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
    page.get_by_label("Send a message with").select_option("ctrl-enter")
    page.get_by_label("Language", exact=True).select_option("中文")
    expect(page.get_by_role("heading", name="设置", level=1)).to_be_visible()

    elsewhere = open_page("/#/settings/general", at=program.url)
    sign_in(elsewhere, "dora")
    expect(elsewhere.get_by_role("heading", name="设置", level=1)).to_be_visible()
    assert elsewhere.locator("html").get_attribute("data-theme") == "dark"
    expect(elsewhere.get_by_label("发送消息的按键")).to_have_value("ctrl-enter")
