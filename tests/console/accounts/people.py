"""Anna, who administrates a server, and how people get into its page."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager

import httpx
from playwright.sync_api import Page

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


def sign_in(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()


def user_menu(page: Page, item: str) -> None:
    page.get_by_role("button", name=re.compile("^Account: ")).click()
    page.get_by_role("menuitem", name=item).click()
