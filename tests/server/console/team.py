"""A server with accounts: Anna administrates it, Ben uses it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.server.conftest import RunningServer, running_server
from tests.server.console.client import Console

PASSWORD = "correct horse"


@dataclass(frozen=True)
class Team:
    """The server, and two browsers that are signed in."""

    server: RunningServer
    anna: Console
    ben: Console

    def browser(self) -> Console:
        """One more, in which nobody is signed in."""
        return Console(self.server)

    def new_user(self, name: str, role: str = "user") -> Console:
        """Somebody else, signed in."""
        self.anna.ok("POST", "/admin/users", name=name, password=PASSWORD, role=role)
        return self.browser().sign_in(name, PASSWORD)

    def id_of(self, name: str) -> str:
        """A user's id."""
        return next(user["id"] for user in self.anna.ok("GET", "/admin/users") if user["name"] == name)

    def complete(self, key: str, prompt: str = "hello") -> int:
        """The status of a program's request with a key."""
        headers = {"Authorization": f"Bearer {key}"}
        return self.server.http.post("/v1/completions", json={"prompt": prompt}, headers=headers).status_code


def setup_token(server: RunningServer) -> str:
    """What the server printed behind its port."""
    assert server.process.stdout is not None
    word, token = server.process.stdout.readline().split()
    assert word == "setup"
    return token


@contextmanager
def running_team(*arguments: str, **config: Any) -> Iterator[Team]:
    """Start a server and make the accounts."""
    with running_server("--workspace", "--bound", "0.0.0.0", *arguments, **config) as server:
        anna = Console(server)
        anna.ok("POST", "/setup", token=setup_token(server), name="anna", password=PASSWORD)
        anna.ok("POST", "/admin/users", name="ben", password=PASSWORD, role="user")
        yield Team(server, anna, Console(server).sign_in("ben", PASSWORD))
