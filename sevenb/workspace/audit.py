"""The audit log: what administrators did."""

from collections.abc import Sequence
from typing import Any

from sevenb.workspace.database import Database
from sevenb.workspace.records import AuditEntry


class Audit:
    """Entries are only ever added."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, actor: str, action: str, target: str, **details: Any) -> None:
        """Note that ``actor`` did ``action`` to ``target``. No secrets in ``details``."""
        raise NotImplementedError

    def list(self, *, before: str | None = None, limit: int = 50) -> Sequence[AuditEntry]:
        """The newest entries first, from behind the entry with the id ``before``."""
        raise NotImplementedError
