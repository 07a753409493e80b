"""Column types that SQLite and PostgreSQL share: ids, times, and JSON that decodes into records."""

from typing import Any, get_origin

import msgspec
from sqlalchemy import BigInteger, Dialect, Double, Integer, String, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import TSVECTOR

Id = String(32)
Time: Double[float] = Double()
Number = BigInteger().with_variant(Integer(), "sqlite")  # SQLite counts up by itself only what is an INTEGER
Terms = Text().with_variant(TSVECTOR(), "postgresql")


class Json(TypeDecorator[Any]):
    """JSON as text that decodes into ``kind``; NULL stands for None, and for an empty dict or tuple of these kinds.

    Not PostgreSQL's ``jsonb``, which refuses some strings that JSON allows and changes the order of keys.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any = Any) -> None:
        super().__init__()
        self.kind = kind
        origin = get_origin(kind)
        self._empty = origin if origin in (dict, tuple) else None
        self._decode = msgspec.json.Decoder(kind).decode

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Encode what goes into the database."""
        if value is None or (self._empty and not value):
            return None
        return msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Decode what comes out of it."""
        if value is None:
            return self._empty() if self._empty else None
        return self._decode(value)
