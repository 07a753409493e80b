"""The opposite of a JSON Schema, where it can be written without ``not``."""

import json
from typing import Any

from sevenb.structured.schema.keywords import TYPES
from sevenb.structured.schema.references import References, Schema


def negate(schema: Schema, beside: dict[str, Any], references: References) -> Schema | None:
    """A schema of values that do not satisfy ``schema``, exact for those that satisfy ``beside``, or None.

    ``beside`` is what the same value must satisfy as well: of ``{"const": "a"}`` beside ``{"enum": ["a", "b"]}`` the
    opposite is ``{"enum": ["b"]}``.
    """
    if isinstance(schema, bool):
        return not schema
    if not schema:
        return False
    if schema.keys() == {"not"}:
        inner: Schema = schema["not"]
        return inner
    if schema.keys() == {"type"}:
        return _other_types(schema["type"])
    if schema.keys() <= {"const", "enum", "type"} and schema.keys() & {"const", "enum"}:
        return _other_values(schema, beside, references)
    if schema.keys() == {"required"}:
        return {"type": "object", "anyOf": [{"properties": {name: False}} for name in schema["required"]]}
    if schema.keys() <= {"properties", "required", "type"} and schema.get("type", "object") == "object":
        return _other_property(schema, beside, references)
    return None


def _other_types(named: str | list[str]) -> Schema | None:
    excluded = set([named] if isinstance(named, str) else named)
    if "number" in excluded:
        excluded.add("integer")
    elif "integer" in excluded:
        return None  # numbers that are not whole have no type of their own
    others = [name for name in TYPES if name not in excluded and name != "integer"]
    return {"type": others} if others else False


def _other_values(schema: dict[str, Any], beside: Schema, references: References) -> Schema | None:
    known = known_values(beside, references)
    excluded = known_values(schema, references)
    if known is None or excluded is None:
        return None
    others = [value for text, value in known.items() if text not in excluded]
    return {"enum": others} if others else False


def _other_property(schema: dict[str, Any], beside: dict[str, Any], references: References) -> Schema | None:
    """The opposite of a statement about a single property."""
    if len(schema.get("properties", {})) != 1:
        return None
    [(name, value)] = schema["properties"].items()
    required = schema.get("required", [])
    if not set(required) <= {name}:
        return None
    here = beside.get("properties", {}).get(name, True)
    other = negate(_plain(value), here if isinstance(here, dict) else {}, references)
    if other is None:
        return None
    differs: Schema = {"type": "object", "properties": {name: other}, "required": [name]}
    return {"anyOf": [differs, {"type": "object", "properties": {name: False}}]} if required else differs


def _plain(schema: Schema) -> Schema:
    """Without the annotations that most often stand beside a constant."""
    if isinstance(schema, bool):
        return schema
    return {keyword: value for keyword, value in schema.items() if keyword not in ("title", "description", "default")}


def known_values(schema: Schema, references: References, hops: int = 8) -> dict[str, Any] | None:
    """All values of a schema that lists them, by their JSON; None if there is no such list."""
    if isinstance(schema, bool) or hops == 0:
        return None
    if "const" in schema:
        return {canonical(schema["const"]): schema["const"]}
    if "enum" in schema:
        return {canonical(value): value for value in schema["enum"]}
    if "$ref" in schema:
        return known_values(references.resolve(schema["$ref"]), references, hops - 1)
    if schema.get("type") in ("boolean", ["boolean"]):
        return {"false": False, "true": True}
    if schema.get("type") in ("null", ["null"]):
        return {"null": None}
    return None


def canonical(value: Any) -> str:
    """A JSON value as a text that is the same for equal values, as JSON Schema compares them (1 is 1.0)."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(key)}:{canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    return json.dumps(value)
