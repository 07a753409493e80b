"""One server with accounts for all tests here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.console.accounts.people import Administrator, StartConsole, sign_in
from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program


@pytest.fixture(scope="package")
def program(start_console: StartConsole, smollm2: Path) -> Iterator[Program]:
    """A server that others reach: it has accounts. What its model says is of no interest here."""
    with start_console("--host", "0.0.0.0", model=smollm2) as running:
        yield running


@pytest.fixture(scope="package")
def anna(program: Program) -> Administrator:
    return Administrator(program)


@pytest.fixture
def sign_in_as(open_page: OpenPage, program: Program, anna: Administrator) -> Callable[..., Page]:
    """Open a page and sign in: ``sign_in_as("anna", "/#/settings/keys")``."""

    def sign_in_as(name: str, path: str = "/#/chat", **options: str) -> Page:
        page = open_page(path, at=program.url, **options)
        sign_in(page, name)
        expect(page.get_by_role("navigation", name="Navigation")).to_be_visible()
        return page

    return sign_in_as
