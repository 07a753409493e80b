"""Schemas put together at random from all keywords, many of them odd, some impossible."""

import random
from typing import Any

_NAMES = ("a", "b", "c")
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_CONSTANTS: tuple[Any, ...] = (None, True, 0, 1, 2.5, "", "a", "bc", [], [1], {}, {"a": 1})
_PATTERNS = ("^a", "b$", "^[a-c]{1,3}$", "^(x|yz)*$", "^[0-9]+$")


def random_schema(seed: int) -> Any:
    """One schema for each seed, with definitions it may refer to."""
    chance = random.Random(seed)
    schema = _schema(chance, 3)
    if isinstance(schema, dict):
        schema["$defs"] = {name: _schema(chance, 2) for name in _NAMES}
    return schema


def _schema(chance: random.Random, depth: int) -> Any:
    if chance.random() < 0.05:
        return chance.random() < 0.7
    schema: dict[str, Any] = {}
    if chance.random() < 0.8:
        schema["type"] = chance.choice(_TYPES) if chance.random() < 0.8 else chance.sample(_TYPES, 2)
    makers = [_of_values, _of_numbers, _of_texts]
    if depth:
        makers += [_of_arrays, _of_objects, _of_objects, _combined, _combined]
    for maker in chance.sample(makers, chance.choice((0, 1, 1, 2, 3))):
        maker(chance, schema, depth - 1)
    return schema


def _of_values(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    if chance.random() < 0.5:
        schema["const"] = chance.choice(_CONSTANTS)
    else:
        schema["enum"] = chance.sample(_CONSTANTS, chance.randint(1, 5))


def _of_numbers(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    for keyword in ("minimum", "exclusiveMaximum", "multipleOf"):
        if chance.random() < 0.4:
            schema[keyword] = chance.choice((1, 2, 3, 0.5, 10))


def _of_texts(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    for keyword, value in (
        ("minLength", chance.randint(0, 2)),
        ("maxLength", chance.randint(1, 5)),
        ("pattern", chance.choice(_PATTERNS)),
    ):
        if chance.random() < 0.3:
            schema[keyword] = value


def _of_arrays(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    for keyword in ("items", "contains", "unevaluatedItems"):
        if chance.random() < (0.5 if keyword == "items" else 0.1):
            schema[keyword] = _schema(chance, depth)
    if chance.random() < 0.3:
        schema["prefixItems"] = [_schema(chance, depth) for _ in range(chance.randint(1, 2))]
    for keyword, most in (("minItems", 2), ("maxItems", 3)):
        if chance.random() < 0.4:
            schema[keyword] = chance.randint(0, most)
    if chance.random() < 0.15:
        schema["uniqueItems"] = True


def _of_objects(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    if chance.random() < 0.8:
        schema["properties"] = {name: _schema(chance, depth) for name in chance.sample(_NAMES, chance.randint(1, 3))}
    if chance.random() < 0.5:
        schema["required"] = chance.sample((*_NAMES, "d"), chance.randint(0, 2))
    for keyword in ("additionalProperties", "unevaluatedProperties"):
        if chance.random() < 0.2:
            schema[keyword] = chance.choice((False, True, _schema(chance, depth)))
    if chance.random() < 0.15:
        schema["patternProperties"] = {chance.choice(_PATTERNS): _schema(chance, depth)}
    if chance.random() < 0.1:
        schema["propertyNames"] = {"pattern": "^[a-d]$"}
    if chance.random() < 0.1:
        schema["dependentRequired"] = {chance.choice(_NAMES): [chance.choice(_NAMES)]}
    for keyword, most in (("minProperties", 3), ("maxProperties", 3)):
        if chance.random() < 0.15:
            schema[keyword] = chance.randint(0, most)


def _combined(chance: random.Random, schema: dict[str, Any], depth: int) -> None:
    match chance.choice(("allOf", "anyOf", "anyOf", "oneOf", "oneOf", "not", "if", "$ref", "$ref")):
        case "not":
            schema["not"] = _schema(chance, depth)
        case "if":
            schema |= {keyword: _schema(chance, depth) for keyword in ("if", "then", "else")}
        case "$ref":
            schema["$ref"] = f"#/$defs/{chance.choice(_NAMES)}"
        case keyword:
            schema[keyword] = [_schema(chance, depth) for _ in range(chance.randint(1, 3))]
