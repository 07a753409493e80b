"""The database itself: made, shared, upgraded, refused, full, locked, damaged."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import event, text

from sevenb.errors import InvalidRequest, StorageFull, WorkspaceUnavailable
from sevenb.workspace import NewMessage, Workspace
from sevenb.workspace.schema import metadata


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder where the database is without any URL."""
    monkeypatch.delenv("SEVENB_DATABASE", raising=False)
    monkeypatch.setenv("SEVENB_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


@pytest.fixture
def file(data: Path) -> Path:
    """A database of an administrator's, closed."""
    workspace = Workspace.open()
    workspace.users.create("Ada", "correct horse", "admin")
    workspace.close()
    return data / "workspace.db"


def test_the_database_is_a_file_of_this_user_alone(data: Path) -> None:
    previous = os.umask(0)
    try:
        workspace = Workspace.open()
    finally:
        os.umask(previous)
    workspace.users.local()
    assert workspace.url == str(data / "workspace.db")
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    for path in data.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    workspace.close()
    assert [path.name for path in data.iterdir()] == ["workspace.db"]


def test_the_migrations_make_the_tables_that_the_program_uses(workspace: Workspace) -> None:
    def is_ours(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        return not str(name).startswith("search_terms") and name != "ix_search_entries_terms"

    with workspace._database.read() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": is_ours, "compare_type": False})
        assert compare_metadata(context, metadata) == []


def test_what_was_kept_is_there_when_it_is_opened_again(url: str) -> None:
    first = Workspace.open(url)
    ada = first.users.create("Ada", "correct horse", "admin")
    chat = first.chats.create(ada.id, title="Kept")
    first.close()
    second = Workspace.open(url)
    assert second.users.list() == [ada]
    assert second.chats.get(ada.id, chat.id) == chat
    second.close()


def test_several_programs_may_open_a_new_database_at_once(url: str) -> None:
    program = (
        "import sys; from sevenb.workspace import Workspace; workspace = Workspace.open(sys.argv[1]);"
        "user = workspace.users.local(); [workspace.chats.create(user.id) for _ in range(5)]; workspace.close()"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    for process in started:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    workspace = Workspace.open(url)
    assert len(workspace.chats.list(workspace.users.local().id)[0]) == 20
    workspace.close()


def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    workspace = Workspace.open(url)
    with workspace._database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    workspace.close()
    with pytest.raises(WorkspaceUnavailable, match="newer sevenb"):
        Workspace.open(url)


def test_another_programs_database_is_left_alone(data: Path) -> None:
    data.mkdir()
    with sqlite3.connect(data / "workspace.db") as connection:
        connection.execute("CREATE TABLE users (id)")
    with pytest.raises(WorkspaceUnavailable, match="another program"):
        Workspace.open()


def test_what_is_no_database_is_refused(data: Path) -> None:
    data.mkdir()
    (data / "workspace.db").write_bytes(b"This is a letter to my aunt. " * 100)
    with pytest.raises(WorkspaceUnavailable, match="damaged or no database"):
        Workspace.open()
    assert (data / "workspace.db").read_bytes().startswith(b"This is a letter")


def test_a_damaged_database_is_told_of_in_a_sentence(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    file.write_bytes(content)
    with pytest.raises(WorkspaceUnavailable, match="damaged"):
        Workspace.open().users.list()


def test_a_folder_that_cannot_be_had_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "workspace.db", tmp_path):
        with pytest.raises(WorkspaceUnavailable, match="cannot be opened"):
            Workspace.open(str(path))


def test_a_database_that_another_program_holds_is_busy(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.workspace.database.BUSY_SECONDS", 0.2)
    workspace = Workspace.open()
    holder = sqlite3.connect(file, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorkspaceUnavailable, match="locked by another program"):
        workspace.users.create("Bob", "battery staple")
    assert workspace.users.authenticate("Nobody", "wrong horse") is None
    assert workspace.users.count() == 1
    holder.execute("ROLLBACK")
    workspace.users.create("Bob", "battery staple")
    holder.close()
    workspace.close()


def test_a_full_disk_loses_nothing_and_shuts_nobody_out(file: Path) -> None:
    workspace = Workspace.open()
    ada = workspace.users.list()[0]
    token, _ = workspace.sessions.create(ada.id)
    chat = workspace.chats.create(ada.id)
    limits = ["PRAGMA max_page_count = 1"]  # SQLite takes it for no more pages than there are

    @event.listens_for(workspace._database._engine, "checkout")
    def fill_up(connection: sqlite3.Connection, *_: Any) -> None:
        connection.execute(limits[0])

    with workspace._database.write() as connection:
        connection.execute(text("UPDATE sessions SET last_seen_at = last_seen_at - 100"))
    with pytest.raises(StorageFull, match="is full; nothing was changed"):
        workspace.chats.add_message(ada.id, chat.id, NewMessage("user", "x" * 1_000_000))
    assert workspace.chats.get(ada.id, chat.id) == chat
    assert workspace.sessions.find(token) is not None
    limits[0] = "PRAGMA max_page_count = 1000000"
    workspace.chats.add_message(ada.id, chat.id, NewMessage("user", "x" * 1_000_000))
    workspace.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://u:hidden@h/db", "not in mysql"),
        ("sqlite://", "not in sqlite"),
        ("sqlite:///:memory:", "not in sqlite"),
        ("://", "cannot be read"),
        ("postgresql://u:hidden@h:port/db", "cannot be read"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_without_its_password(url: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refused:
        Workspace.open(url)
    assert "hidden" not in str(refused.value)


def test_a_server_that_is_not_there_is_told_of_without_the_password() -> None:
    with pytest.raises(WorkspaceUnavailable, match=r"postgresql://u@127.0.0.1:1/db") as refused:
        Workspace.open("postgres://u:hidden@127.0.0.1:1/db?sslpassword=hidden2")
    assert "hidden" not in str(refused.value)


def test_without_the_driver_the_command_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(WorkspaceUnavailable, match=r"pip install 'sevenb\[postgres\]'"):
        Workspace.open("postgresql://u@127.0.0.1:1/db")


def test_connections_that_postgres_dropped_are_replaced(postgres_url: str) -> None:
    workspace = Workspace.open(postgres_url)
    workspace.users.local()
    other = Workspace.open(postgres_url)
    with other._database.write() as connection:
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid != pg_backend_pid() AND datname ="
                 " current_database()")
        )  # fmt: skip
    assert workspace.users.count() == 0
    workspace.close()
    other.close()
