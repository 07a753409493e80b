"""Users, usage and the audit log, as administrators see them."""

import re
from collections.abc import Callable

import httpx
from playwright.sync_api import Page, expect

from tests.console.accounts.people import PASSWORD, Administrator
from tests.e2e.conftest import Program


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
