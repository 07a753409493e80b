"""Every test of the workspace runs twice: on SQLite, and on a real PostgreSQL that is started here."""

import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Connection, NullPool, create_engine, text

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


def _administration(postgres: Postgres) -> Connection:
    """A connection for what happens to whole databases."""
    engine = create_engine(postgres.url("postgres").replace("postgresql:", "postgresql+psycopg:"), poolclass=NullPool)
    return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


@pytest.fixture(scope="session")
def new_postgres(postgres: Postgres) -> str:
    """The name of a database that a workspace has made and nobody has used."""
    with _administration(postgres) as connection:
        connection.execute(text("CREATE DATABASE new"))
    Workspace.open(postgres.url("new")).close()
    return "new"


@pytest.fixture(scope="session")
def new_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that a workspace has made and nobody has used."""
    path = tmp_path_factory.mktemp("new") / "workspace.db"
    Workspace.open(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def postgres_url(request: pytest.FixtureRequest, postgres: Postgres) -> Iterator[str]:
    """The URL of a database: of a workspace where the test has one, else empty."""
    name = f"test_{uuid.uuid4().hex}"
    template = request.getfixturevalue("new_postgres") if "workspace" in request.fixturenames else "template1"
    with _administration(postgres) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
        yield postgres.url(name)
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database of either kind: of a workspace where the test has one, else empty.

    Nearly all tests have one: a copy of one that was made once saves each of them the migrations, which have tests of
    their own.
    """
    if request.param == "sqlite":
        if "workspace" in request.fixturenames:
            shutil.copy(request.getfixturevalue("new_sqlite"), tmp_path)
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
