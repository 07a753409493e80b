"""The frame of the page: its routes, its languages, its themes, its states."""

from playwright.sync_api import Page, expect


def test_opens_at_once_on_this_machine(page: Page) -> None:
    expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()
    expect(page.get_by_role("main")).to_be_visible()
