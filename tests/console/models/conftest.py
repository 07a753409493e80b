"""A server with models, a hub and another server behind it, anew for the tests of each file."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.console.conftest import OpenPage
from tests.console.models.place import PATH, Place, Start, open_place, row


@pytest.fixture(scope="module")
def place(start_console: Start, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with open_place(start_console, tmp_path_factory.mktemp("models")) as place:
        yield place


@pytest.fixture
def models(open_page: OpenPage, place: Place) -> Page:
    """The page, its models shown."""
    page = open_page(PATH, at=place.program.url)
    expect(row(page, "coder").first).to_be_visible()
    return page
