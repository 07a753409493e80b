"""One JSON Schema of the suite."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Outcome = Literal["proven", "checked", "refused"]


@dataclass(frozen=True)
class Case:
    """``proven``: the grammar alone holds the schema; ``checked``: with a check at the end; ``refused``: a 400."""

    feature: str
    schema: Any
    outcome: Outcome = "proven"


def cases(feature: str, schemas: Iterable[Any], outcome: Outcome = "proven") -> list[Case]:
    return [Case(feature, schema, outcome) for schema in schemas]


def record(properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    """An object whose properties are all required, which is what most schemas are."""
    return {"type": "object", "properties": properties, "required": list(properties), **more}


STRING: dict[str, Any] = {"type": "string"}
SHORT: dict[str, Any] = {"type": "string", "maxLength": 20}
INTEGER: dict[str, Any] = {"type": "integer"}
NUMBER: dict[str, Any] = {"type": "number"}
BOOLEAN: dict[str, Any] = {"type": "boolean"}
