"""Every test of the workspace runs twice: on SQLite, and on a real PostgreSQL that is started here."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import create_engine, text

from sevenb.workspace import User, Workspace, passwords
from tests.needed import leave_out
from tests.workspace.postgres import Postgres, find_postgres

NO_POSTGRES = "PostgreSQL is not installed here (apt install postgresql): its half of the workspace's tests is left out"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of these tests' own, on loopback, in a temporary folder."""
    programs = find_postgres()
    if programs is None:
        leave_out(NO_POSTGRES)
    with Postgres(programs) as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The URL of an empty database."""
    name = f"test_{uuid.uuid4().hex}"
    engine = create_engine(postgres.url("postgres").replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        yield postgres.url(name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/workspace.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def workspace(url: str) -> Iterator[Workspace]:
    opened = Workspace.open(url)
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def quick_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Argon2id with parameters that cost nothing, since nearly every test makes users."""
    if "real_hashes" not in request.keywords:
        monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    nobody = passwords._nobody  # remembered with the parameters of whoever asked first
    nobody.cache_clear()
    yield
    nobody.cache_clear()


@pytest.fixture
def ada(workspace: Workspace) -> User:
    """An administrator."""
    return workspace.users.create("Ada", "correct horse", "admin")


@pytest.fixture
def bob(workspace: Workspace) -> User:
    """A user."""
    return workspace.users.create("Bob", "battery staple")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "real_hashes: with the parameters of passwords that the product uses")
