"""Brings a database to this version's tables, whoever else is about to do so."""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from sevenb.errors import WorkspaceUnavailable

HEAD = "0002"

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 0x5EB_0001  # any number that all sevenbs agree on


def is_current(connection: Connection) -> bool:
    """Whether the tables are this version's."""
    return _version(connection) == HEAD


def upgrade(connection: Connection, where: str) -> None:
    """Run the migrations that are missing, in the transaction of the connection, which must be one that writes."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = _version(connection)
    if version == HEAD:
        return  # another program was quicker

    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version is not None and version not in known:
        raise WorkspaceUnavailable(
            f"The database {where} was made by a newer sevenb; update sevenb, or give another one with --database."
        )
    if version is None and inspect(connection).get_table_names():
        raise WorkspaceUnavailable(
            f"The database {where} holds another program's tables; give an empty one with --database."
        )
    command.upgrade(config, "head")


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
