"""What each keyword of JSON Schema must look like, and which say nothing about a value."""

import math
from collections.abc import Callable, Iterator
from typing import Any

TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")

IN_PLACE = ("$ref", "allOf", "anyOf", "oneOf")
"""Keywords whose subschemas describe the same value as the schema they stand in."""

OF_TYPE = {
    "object": (
        "properties",
        "required",
        "additionalProperties",
        "patternProperties",
        "propertyNames",
        "minProperties",
        "maxProperties",
        "dependentRequired",
        "dependentSchemas",
        "unevaluatedProperties",
    ),
    "array": (
        "items",
        "prefixItems",
        "additionalItems",
        "minItems",
        "maxItems",
        "uniqueItems",
        "contains",
        "minContains",
        "maxContains",
        "unevaluatedItems",
    ),
    "string": ("pattern", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Keywords that say something about values of one type only. (``format`` belongs to several.)"""

OF_OTHERS = frozenset(
    {"additionalProperties", "patternProperties", "unevaluatedProperties", "propertyNames"}
    | {"if", "not", "dependencies", "dependentRequired", "dependentSchemas"}
)
"""Keywords that speak, or may speak, of properties that the schema does not list."""


def _schema(value: Any) -> bool:
    return isinstance(value, (dict, bool))


def _schemas(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_schema, value))


def _schema_map(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_schema, value.values()))


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and value == int(value)


def _number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


def _positive(value: Any) -> bool:
    return _number(value) and value > 0


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_text, value))


def _type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(isinstance(name, str) and name in TYPES for name in names)


def _dependencies(value: Any) -> bool:
    return isinstance(value, dict) and all(_schema(item) or _texts(item) for item in value.values())


_FORMS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "type": (_type, f"one or several of {', '.join(TYPES)}"),
    "enum": (lambda value: isinstance(value, list) and bool(value), "a list of at least one value"),
    "const": (lambda value: True, "any value"),
    "$ref": (_text, "a text"),
    "$defs": (_schema_map, "an object of schemas"),
    "definitions": (_schema_map, "an object of schemas"),
    "allOf": (_schemas, "a list of at least one schema"),
    "anyOf": (_schemas, "a list of at least one schema"),
    "oneOf": (_schemas, "a list of at least one schema"),
    "not": (_schema, "a schema"),
    "if": (_schema, "a schema"),
    "then": (_schema, "a schema"),
    "else": (_schema, "a schema"),
    "properties": (_schema_map, "an object of schemas"),
    "patternProperties": (_schema_map, "an object of schemas"),
    "additionalProperties": (_schema, "a schema"),
    "unevaluatedProperties": (_schema, "a schema"),
    "propertyNames": (_schema, "a schema"),
    "required": (_texts, "a list of property names"),
    "minProperties": (_count, "a whole number from 0"),
    "maxProperties": (_count, "a whole number from 0"),
    "dependentRequired": (
        lambda value: isinstance(value, dict) and all(map(_texts, value.values())),
        "an object of lists of property names",
    ),
    "dependentSchemas": (_schema_map, "an object of schemas"),
    "dependencies": (_dependencies, "an object of schemas or lists of property names"),
    "items": (lambda value: _schema(value) or (isinstance(value, list) and all(map(_schema, value))), "a schema"),
    "prefixItems": (_schemas, "a list of at least one schema"),
    "additionalItems": (_schema, "a schema"),
    "unevaluatedItems": (_schema, "a schema"),
    "contains": (_schema, "a schema"),
    "minContains": (_count, "a whole number from 0"),
    "maxContains": (_count, "a whole number from 0"),
    "minItems": (_count, "a whole number from 0"),
    "maxItems": (_count, "a whole number from 0"),
    "uniqueItems": (lambda value: isinstance(value, bool), "true or false"),
    "pattern": (_text, "a regular expression"),
    "format": (_text, "a text"),
    "minLength": (_count, "a whole number from 0"),
    "maxLength": (_count, "a whole number from 0"),
    "minimum": (_number, "a number"),
    "maximum": (_number, "a number"),
    "exclusiveMinimum": (lambda value: _number(value) or isinstance(value, bool), "a number"),
    "exclusiveMaximum": (lambda value: _number(value) or isinstance(value, bool), "a number"),
    "multipleOf": (_positive, "a number above 0"),
}

REFUSED = ("$dynamicRef", "$recursiveRef")
"""Keywords that constrain a value but can neither be compiled nor checked here."""


def malformed(keyword: str, value: Any) -> str | None:
    """What a keyword's value should have been, if it is not that. Keywords nobody knows may have any value."""
    form = _FORMS.get(keyword)
    return None if form is None or form[0](value) else form[1]


def is_constraint(keyword: str) -> bool:
    """Whether a keyword says something about values; all others are annotations, as the standard has it."""
    return keyword in _FORMS and keyword not in ("$defs", "definitions")


def subschemas(keyword: str, value: Any) -> Iterator[dict[str, Any] | bool]:
    """The schemas in a keyword's well-formed value, definitions left out."""
    if not is_constraint(keyword) or keyword in ("const", "enum"):
        return
    if keyword in _MAPS:
        yield from (item for item in value.values() if _schema(item))
    elif isinstance(value, list):
        yield from (item for item in value if _schema(item))
    elif isinstance(value, dict):
        yield value


_MAPS = ("properties", "patternProperties", "dependentSchemas", "dependencies")
