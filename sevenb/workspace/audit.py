"""The audit log: what administrators did."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from sevenb.errors import InvalidRequest
from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.records import AuditEntry
from sevenb.workspace.values import json_object, now, one_line

MAX_PAGE = 500

_audit = schema.audit.c


class Audit:
    """Entries are only ever added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, actor: str, action: str, target: str, **details: Any) -> None:
        """Note that ``actor`` did ``action`` to ``target``. No secrets in ``details``."""
        row = {
            "at": now(),
            "actor": one_line(actor, 200),
            "action": one_line(action, 100),
            "target": one_line(target, 500),
            "details": json_object(details, "details"),
        }
        with self._database.write() as connection:
            connection.execute(schema.audit.insert().values(**row))

    def list(self, *, before: str | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """The newest entries first, from behind the entry with the id ``before``."""
        query = select(*_audit).order_by(_audit.number.desc()).limit(max(1, min(limit, MAX_PAGE)))
        if before is not None:
            if not before.isascii() or not before.isdigit() or len(before) > 18:
                raise InvalidRequest("This is no entry of the log; begin with the newest.", "before")
            query = query.where(_audit.number < int(before))
        with self._database.read() as connection:
            return [AuditEntry(str(number), *rest) for number, *rest in connection.execute(query).all()]
