"""Where the database is: the URL a user gives, or a file of the user's alone."""

import os
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from sevenb.errors import InvalidRequest, WorkspaceUnavailable

FILE_NAME = "workspace.db"


def data_folder() -> Path:
    """``SEVENB_DATA``, else ``$XDG_DATA_HOME/sevenb``, that is ``~/.local/share/sevenb``."""
    given = os.environ.get("SEVENB_DATA")
    if given:
        return Path(given).expanduser().absolute()
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "sevenb"


def database_url(given: str | None) -> URL:
    """The URL to open: the given one, else ``SEVENB_DATABASE``, else a file in the data folder. A path will do too."""
    given = given or os.environ.get("SEVENB_DATABASE")
    if not given:
        return _file_url(data_folder() / FILE_NAME)
    if "://" not in given:
        return _file_url(Path(given).expanduser().absolute())
    try:
        url = make_url(given)
    except (ArgumentError, ValueError):
        raise InvalidRequest(
            "The URL of the database cannot be read; write postgresql://user:password@host/name.", "database"
        ) from None
    kind = url.drivername.partition("+")[0]
    if kind in ("postgresql", "postgres"):
        return url.set(drivername="postgresql")
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return _file_url(Path(url.database).expanduser().absolute())
    raise InvalidRequest(
        f"sevenb keeps its database in PostgreSQL (postgresql://…) or in a file (sqlite:////path), not in {kind}.",
        "database",
    )


def shown(url: URL) -> str:
    """The URL without secrets; of a file, its path."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    harmless = {name: value for name, value in url.query.items() if "password" not in name}
    kept = URL.create(url.drivername, url.username, None, url.host, url.port, url.database, harmless)
    return kept.render_as_string(hide_password=False)


def create_file(url: URL) -> None:
    """Make the database's folder and file, for this user alone; what is there already stays as it is."""
    path = Path(str(url.database))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise WorkspaceUnavailable(
            f"The database {path} cannot be opened ({error.strerror}); check the folder, "
            "or set SEVENB_DATA to one that can be written."
        ) from error


def _file_url(path: Path) -> URL:
    return URL.create("sqlite", database=str(path))
