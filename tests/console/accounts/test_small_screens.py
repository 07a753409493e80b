"""The pages of accounts on a phone and a tablet, in Chinese, in the dark."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.console.accounts.people import PASSWORD, Administrator
from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program


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
