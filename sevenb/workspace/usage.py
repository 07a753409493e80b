"""Usage: tokens by day, user, key and model."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import func, select

from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.records import UsageRow, Use
from sevenb.workspace.values import now, one_line

_usage = schema.usage.c
_users = schema.users.c
_KEY = ("day", "user_id", "key_id", "model")
_SUMS = ("requests", "prompt_tokens", "cached_tokens", "completion_tokens")


class Usage:
    """One row a day, user, key and model, added up as requests end."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        user_id: str | None,
        key_id: str | None,
        model: str,
        prompt_tokens: int,
        cached_tokens: int,
        completion_tokens: int,
        at: float | None = None,
        requests: int = 1,
    ) -> None:
        """Add one request, or several."""
        self.record_all([Use(model, prompt_tokens, cached_tokens, completion_tokens, user_id, key_id, at, requests)])

    def record_all(self, uses: Sequence[Use]) -> None:
        """Add several requests at once."""
        sums: dict[tuple[str, ...], list[int]] = {}
        for use in uses:
            added = sums.setdefault(_key(use), [0, 0, 0, 0])
            for place, count in enumerate((use.requests, use.prompt_tokens, use.cached_tokens, use.completion_tokens)):
                added[place] += count
        if not sums:
            return
        insert = self._database.insert(schema.usage)
        upsert = insert.on_conflict_do_update(
            index_elements=_KEY, set_={name: _usage[name] + insert.excluded[name] for name in _SUMS}
        )
        # In one order, so that two transactions never wait for each other's rows.
        rows = [dict(zip(_KEY + _SUMS, (*key, *sums[key]), strict=True)) for key in sorted(sums)]
        with self._database.write() as connection:
            connection.execute(upsert, rows)

    def by_day(self, *, user_id: str | None = None, since_day: str) -> Sequence[UsageRow]:
        """Usage from a day on (``2026-11-22``, UTC), of one user or of all, oldest day first.

        What users had who are no more counts as nobody's.
        """
        query = (
            select(_usage.day, _users.id, _users.name, _usage.model, *(func.sum(_usage[name]) for name in _SUMS))
            .outerjoin_from(schema.usage, schema.users, _users.id == _usage.user_id)
            .where(_usage.day >= since_day)
            .group_by(_usage.day, _users.id, _users.name, _usage.model)
            .order_by(_usage.day, _users.name, _usage.model)
        )
        if user_id is not None:
            query = query.where(_usage.user_id == user_id)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return [UsageRow(day, owner, name, model, *map(int, sums)) for day, owner, name, model, *sums in rows]


def _key(use: Use) -> tuple[str, ...]:
    day = datetime.fromtimestamp(now() if use.at is None else use.at, UTC).strftime("%Y-%m-%d")
    return day, use.user_id or "", use.key_id or "", one_line(use.model, 500)
