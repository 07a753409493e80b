"""API keys of users: shown once, stored as hashes."""

import secrets
import string
from collections.abc import Sequence

from sqlalchemy import delete, or_, select, update

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import schema
from sevenb.workspace.database import Database
from sevenb.workspace.records import ApiKey, User
from sevenb.workspace.tokens import SEEN_SECONDS, hash_of, note
from sevenb.workspace.users import user_fields
from sevenb.workspace.values import name_of, new_id, now

PREFIX = "sk-sevenb-"
SHOWN = len(PREFIX) + 4  # characters of a secret that tell keys apart
MAX_KEYS = 100  # of one user

_DIGITS = string.digits + string.ascii_letters
_keys = schema.keys.c
_fields = (
    _keys.id,
    _keys.user_id,
    _keys.name,
    _keys.prefix,
    _keys.created_at,
    _keys.last_used_at,
    _keys.expires_at,
)


class Keys:
    """The API keys of all users."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, user_id: str, name: str, expires_at: float | None = None) -> tuple[str, ApiKey]:
        """Make a key; returns its secret, told this once, and the key."""
        time = now()
        if expires_at is not None and not time < expires_at < time + 1e10:
            raise InvalidRequest("A key expires in the future; choose a later day, or none.", "expires_at")
        secret = PREFIX + _base62(secrets.token_bytes(32))
        key = ApiKey(new_id(), user_id, name_of(name), secret[:SHOWN], time, None, expires_at)
        with self._database.write() as connection:
            if len(connection.execute(select(_keys.id).where(_keys.user_id == user_id)).all()) >= MAX_KEYS:
                raise InvalidRequest(f"A user has {MAX_KEYS} keys at most; delete one that is not used.")
            connection.execute(
                schema.keys.insert().values(
                    id=key.id,
                    user_id=user_id,
                    name=key.name,
                    prefix=key.prefix,
                    created_at=time,
                    expires_at=expires_at,
                    secret_hash=hash_of(secret),
                )
            )
        return secret, key

    def find(self, secret: str) -> tuple[ApiKey, User] | None:
        """The key of a secret and its user, unless it expired or the user is disabled. Notes that it was used."""
        if not secret.startswith(PREFIX):
            return None
        time = now()
        query = (
            select(*_fields, *user_fields)
            .join_from(schema.keys, schema.users)
            .where(_keys.secret_hash == hash_of(secret), or_(_keys.expires_at.is_(None), _keys.expires_at > time))
            .where(~schema.users.c.disabled)
        )
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            return None
        key, user = ApiKey(*row[: len(_fields)]), User(*row[len(_fields) :])
        if (key.last_used_at or 0) < time - SEEN_SECONDS:
            note(self._database, update(schema.keys).where(_keys.id == key.id).values(last_used_at=time))
        return key, user

    def list(self, user_id: str) -> Sequence[ApiKey]:
        """The user's keys, newest first, expired ones too."""
        with self._database.read() as connection:
            rows = connection.execute(
                select(*_fields).where(_keys.user_id == user_id).order_by(_keys.created_at.desc(), _keys.id)
            ).all()
        return [ApiKey(*row) for row in rows]

    def revoke(self, user_id: str, key_id: str) -> None:
        """Delete a key; programs that use it are refused from now on."""
        mine = (_keys.user_id == user_id) & (_keys.id == key_id)
        with self._database.write() as connection:
            if not connection.execute(delete(schema.keys).where(mine)).rowcount:
                raise NotFound("There is no such key.")


def _base62(data: bytes) -> str:
    number = int.from_bytes(data, "big")
    digits = []
    for _ in range(43):  # 62**43 > 256**32
        number, digit = divmod(number, 62)
        digits.append(_DIGITS[digit])
    return "".join(digits)
