"""What the tests of the sidebar share: a server with a history of its own, and the parts of the list."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.archives import empty
from tests.e2e.conftest import Program


@pytest.fixture(scope="module")
def server(start_console: Callable[..., AbstractContextManager[Program]], smollm2: Path) -> Iterator[Program]:
    """A server whose history belongs to one module of tests; what its model says is of no interest."""
    with start_console(model=smollm2) as running:
        yield running


@pytest.fixture
def kept(server: Program) -> Program:
    """The server with an empty history."""
    with server.http as http:
        empty(http)
    return server


def sidebar(page: Page) -> Locator:
    return page.get_by_role("region", name="Chats", exact=True)


def row(page: Page, title: str) -> Locator:
    """A chat in the list."""
    return sidebar(page).get_by_role("link", name=title, exact=True)


def titles(page: Page) -> list[str]:
    """All chats of the list, from the top."""
    # The inner text of rows far outside the window is empty: they are not laid out.
    return [text.strip() for text in sidebar(page).get_by_role("link").all_text_contents()]


def choose(page: Page, title: str, action: str) -> None:
    """Open a chat's menu and take an action."""
    row(page, title).hover()
    page.get_by_role("button", name=f"Actions for “{title}”").click()
    page.get_by_role("menuitem", name=action).click()


def search(page: Page, query: str) -> Locator:
    """Type into the search field; returns what was found."""
    page.get_by_role("textbox", name="Search chats").fill(query)
    expect(sidebar(page).get_by_role("status")).to_contain_text("found")
    return sidebar(page).get_by_role("link")
