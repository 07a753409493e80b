"""``sevenb user``: accounts and keys from the command line, in the database of the server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sevenb.workspace import Workspace
from tests.cli.terminal import Terminal


@pytest.fixture
def database(tmp_path: Path) -> str:
    return str(tmp_path / "workspace.db")


@pytest.fixture
def workspace(database: str) -> Iterator[Workspace]:
    """The server's view of the database, open all the time."""
    opened = Workspace.open(database)
    yield opened
    opened.close()


def run(database: str, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sevenb.cli.main", "user", *arguments],
        input=typed, capture_output=True, text=True, check=False, env={**os.environ, "SEVENB_DATABASE": database},
    )  # fmt: skip


def test_the_first_user_is_an_administrator_and_signs_in(database: str, workspace: Workspace) -> None:
    assert "makes the first one" in run(database, "list").stderr
    assert run(database, "add", "Ada", "--password-stdin", typed="correct horse\n").returncode == 0
    assert run(database, "add", "小明", "--password-stdin", typed="battery staple\n").returncode == 0
    ada, ming = (
        workspace.users.authenticate("ada", "correct horse"),
        workspace.users.authenticate("小明", "battery staple"),
    )
    assert ada is not None
    assert ada.is_admin
    assert ming is not None
    assert not ming.is_admin
    table = run(database, "list").stdout
    assert "Ada" in table
    assert "小明" in table
    assert [entry.action for entry in workspace.audit.list()] == ["user.create"] * 2


def test_a_password_is_typed_twice_and_not_shown(database: str, workspace: Workspace) -> None:
    with Terminal("user", "add", "Ada", "--admin", SEVENB_DATABASE=database) as terminal:
        terminal.expect("Password: $")
        terminal.type("correct horse\n")
        terminal.expect("Once more: $")
        terminal.type("correct horse\n")
        screen = terminal.expect("Added the administrator Ada")
    assert "horse" not in screen
    assert workspace.users.authenticate("Ada", "correct horse") is not None


def test_a_new_password_signs_the_user_out(database: str, workspace: Workspace) -> None:
    ada = workspace.users.create("Ada", "correct horse", "admin")
    token, _ = workspace.sessions.create(ada.id)
    assert run(database, "passwd", "ada", "--password-stdin", typed="battery staple\n").returncode == 0
    assert workspace.sessions.find(token) is None
    assert workspace.users.authenticate("Ada", "correct horse") is None
    assert workspace.users.authenticate("Ada", "battery staple") is not None


def test_users_are_deleted_but_the_last_administrator(database: str, workspace: Workspace) -> None:
    workspace.users.create("Ada", "correct horse", "admin")
    workspace.users.create("Bob", "correct horse")
    assert run(database, "rm", "bob", typed="n\n").returncode != 0
    assert workspace.users.count() == 2
    assert run(database, "rm", "bob", typed="y\n").returncode == 0
    refused = run(database, "rm", "ada", "--yes")
    assert refused.returncode == 1
    assert "last administrator" in refused.stderr
    assert [user.name for user in workspace.users.list()] == ["Ada"]


def test_a_key_is_printed_once_listed_and_revoked(database: str, workspace: Workspace) -> None:
    ada = workspace.users.create("Ada", "correct horse", "admin")
    secret = run(database, "keys", "Ada", "--new", "[red]laptop", "--days", "30").stdout.strip()
    found = workspace.keys.find(secret)
    assert found is not None
    assert found[1].id == ada.id
    table = run(database, "keys", "Ada").stdout
    assert re.search(r"\[red\]laptop +sk-sevenb-\w{4}…", table)
    assert secret not in table
    assert run(database, "keys", "Ada", "--revoke", found[0].prefix).returncode == 0
    assert workspace.keys.find(secret) is None
    assert "no key" in run(database, "keys", "Ada", "--revoke", "laptop").stderr


@pytest.mark.parametrize(
    ("arguments", "typed", "said"),
    [
        (("add", "Bob", "--password-stdin"), "short\n", "8 to 1000"),
        (("add", "Bob", "--password-stdin"), "", "8 to 1000"),
        (("add", "a\nb", "--password-stdin"), "correct horse\n", "printable"),
        (("passwd", "nobody", "--password-stdin"), "correct horse\n", "no user nobody"),
        (("list", "--database", "mysql://x/y"), "", "not in mysql"),
        (("list", "--database", "/proc/nowhere/w.db"), "", "cannot be opened"),
        (("list", "--database", "postgresql://u:hidden@127.0.0.1:1/x"), "", "does not work"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    database: str, arguments: tuple[str, ...], typed: str, said: str
) -> None:
    refused = run(database, *arguments, typed=typed)
    assert refused.returncode == 1
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "hidden" not in refused.stderr
