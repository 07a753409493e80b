"""Schemas that combine others: references, allOf, anyOf, oneOf, not, conditions, dependencies."""

from typing import Any

from tests.structured.schemas.case import BOOLEAN, INTEGER, NUMBER, SHORT, STRING, Case, cases, record

_POINT = record({"x": NUMBER, "y": NUMBER})
_TREE = record({"value": INTEGER, "children": {"type": "array", "items": {"$ref": "#/$defs/tree"}}})

_REFERENCES = cases(
    "$ref, $defs",
    [
        {"$ref": "#/$defs/point", "$defs": {"point": _POINT}},
        record({"from": {"$ref": "#/$defs/point"}, "to": {"$ref": "#/$defs/point"}}, **{"$defs": {"point": _POINT}}),
        {"definitions": {"name": SHORT}, "type": "array", "items": {"$ref": "#/definitions/name"}},
        record({"first": SHORT, "second": {"$ref": "#/properties/first"}}),
        {"$ref": "#/$defs/tree", "$defs": {"tree": _TREE}},
        record({"value": INTEGER}) | {"properties": {"value": INTEGER, "next": {"$ref": "#"}}},
        {"type": "array", "items": {"$ref": "#"}},
        {"anyOf": [INTEGER, {"type": "array", "items": {"$ref": "#"}}]},
        {"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": STRING}},
        {"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "boolean"}}},
        {"$ref": "item.json", "$defs": {"x": {"$id": "item.json", "type": "integer"}}},
        {"$id": "https://example.com/s", "type": "array", "items": {"$ref": "https://example.com/s#/$defs/x"}}
        | {"$defs": {"x": {"$anchor": "x", "type": "integer"}}},
        {"$id": "https://example.com/s#", "$ref": "https://example.com/s#x", "$defs": {"x": {"$anchor": "x", **SHORT}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/c"}, "c": BOOLEAN}},
        {"$ref": "#/$defs/yes", "$defs": {"yes": True}},
        {"$ref": "#/$defs/text", "maxLength": 5, "$defs": {"text": STRING}},
        {"$ref": "#/$defs/p", "description": "a point", "$defs": {"p": _POINT}},
        {"type": "object", "properties": {"ok": BOOLEAN, "endless": {"$ref": "#/$defs/e"}}}
        | {"$defs": {"e": record({"e": {"$ref": "#/$defs/e"}})}},
        record({"even": {"$ref": "#/$defs/even"}})
        | {
            "$defs": {
                "even": {"anyOf": [{"type": "null"}, record({"odd": {"$ref": "#/$defs/odd"}})]},
                "odd": record({"even": {"$ref": "#/$defs/even"}}),
            }
        },
        {"components": {"schemas": {"Pet": record({"name": SHORT})}}, "$ref": "#/components/schemas/Pet"},
    ],
) + cases(
    "$ref, $defs",
    [
        {"$ref": "#/$defs/missing"},
        {"$ref": "https://example.com/schema.json"},
        {"$ref": "http://json-schema.org/draft-07/schema#"},
        {"$ref": "#nowhere"},
        {"$ref": 3},
        {"$ref": "#"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        record({"self": {"$ref": "#"}}),
        {"allOf": [{"$ref": "#"}, {"type": "object"}]},
        {"$dynamicRef": "#node"},
        {"type": "string", "not": {"$ref": "#/$defs/a"}, "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}}},
    ],
    "refused",
)

_NAMED = record({"name": SHORT})
_AGED = record({"age": {"type": "integer", "minimum": 0, "maximum": 150}})

_ALL_OF = cases(
    "allOf",
    [
        {"allOf": [_NAMED]},
        {"allOf": [_NAMED, _AGED]},
        {"allOf": [{"$ref": "#/$defs/named"}, {"properties": {"extra": BOOLEAN}}], "$defs": {"named": _NAMED}},
        {"type": "object", "properties": {"id": INTEGER}, "required": ["id"], "allOf": [_NAMED]},
        {"allOf": [{"type": "string"}, {"minLength": 2}, {"maxLength": 4}]},
        {"allOf": [{"minimum": 3, "type": "integer"}, {"maximum": 7}]},
        {"allOf": [{"type": ["string", "integer"]}, {"type": ["integer", "null"]}]},
        {"allOf": [{"pattern": "^a"}, {"pattern": "z$"}], "type": "string", "maxLength": 12},
        {"allOf": [{"enum": ["a", "b", "c"]}, {"enum": ["b", "c", "d"]}]},
        {"allOf": [record({"p": _NAMED}), record({"p": _AGED})]},
        {"allOf": [record({"a": INTEGER}, additionalProperties=True), record({"b": INTEGER})]},
        {"allOf": [True, {"type": "integer"}]},
        {"allOf": [{"type": "array", "items": {"type": "integer"}}, {"items": {"minimum": 0}, "maxItems": 3}]},
        {"allOf": [{"anyOf": [_NAMED, _AGED]}, record({"id": INTEGER})]},
    ],
) + cases(
    "allOf",
    [
        {"allOf": [STRING, INTEGER]},
        {"allOf": []},
        {"allOf": [False]},
        {"allOf": [{"type": "string", "minLength": 5}, {"maxLength": 4}]},
    ],
    "refused",
)

_ANY_OF = cases(
    "anyOf",
    [
        {"anyOf": [STRING, {"type": "null"}]},
        {"anyOf": [INTEGER, BOOLEAN, {"type": "array", "items": INTEGER, "maxItems": 2}]},
        {"anyOf": [_NAMED, _AGED]},
        {"anyOf": [_POINT, {"type": "array", "items": _POINT, "maxItems": 3}]},
        {
            "type": "object",
            "properties": {"a": INTEGER, "b": INTEGER},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        {"anyOf": [{"type": "string", "maxLength": 3}, {"type": "string", "enum": ["longer text"]}]},
        record({"id": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "format": "uuid"}]}}),
        {"anyOf": [{"const": n} for n in range(200)]},
        {"anyOf": [False, INTEGER]},
        {"type": "string", "anyOf": [{"minLength": 5, "maxLength": 9}, {"pattern": "^[ab]+$"}]},
        {"anyOf": [_NAMED, {"type": "null"}], "description": "may be missing"},
        record({"value": {"anyOf": [STRING, NUMBER, BOOLEAN, {"type": "null"}]}}),
    ],
) + cases("anyOf", [{"anyOf": []}, {"anyOf": [False, False]}, {"anyOf": [{}] * 300}], "refused")


def _tagged(tag: str, **properties: Any) -> dict[str, Any]:
    return record({"kind": {"const": tag}, **properties})


_ONE_OF = cases(
    "oneOf",
    [
        {"oneOf": [STRING, INTEGER]},
        {"oneOf": [{"type": "null"}, _POINT]},
        {"oneOf": [_tagged("circle", radius=NUMBER), _tagged("square", side=NUMBER)]},
        {
            "oneOf": [{"$ref": "#/$defs/a"}, {"$ref": "#/$defs/b"}],
            "$defs": {"a": _tagged("a", x=INTEGER), "b": _tagged("b", y=STRING)},
        },
        {"oneOf": [record({"card": SHORT}), record({"iban": SHORT})]},
        {
            "type": "object",
            "properties": {"a": INTEGER, "b": SHORT},
            "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
        },
        record({"c": SHORT}, oneOf=[{"required": [name]} for name in "abd"])
        | {"properties": {"a": INTEGER, "c": SHORT, "b": SHORT, "d": BOOLEAN}, "additionalProperties": False},
        {
            "oneOf": [
                record({"a": INTEGER}, additionalProperties=False),
                record({"b": INTEGER}, additionalProperties=False),
            ]
        },
        {"oneOf": [{"const": 1}, {"const": 2}, {"enum": [3, 4]}]},
        {"oneOf": [{"type": "string", "enum": ["a"]}, {"type": "string", "enum": ["b", "c"]}]},
        {"oneOf": [{"enum": [True]}, {"type": "null"}, {"type": "array", "maxItems": 1}]},
        record({"shape": {"oneOf": [_tagged("line", to=_POINT), _tagged("dot", at=_POINT)]}}),
        {"oneOf": [_tagged("a"), {"allOf": [_tagged("b"), record({"more": INTEGER})]}]},
        {"oneOf": [{"type": "integer"}]},
    ],
) + cases(
    "oneOf",
    [
        {"oneOf": [{"type": "integer", "minimum": 5}, {"type": "integer", "maximum": 10}]},
        {"oneOf": [{"type": "string", "maxLength": 5}, {"type": "string", "pattern": "^a"}]},
        {"oneOf": [NUMBER, INTEGER]},
        {"oneOf": [{"type": "string", "maxLength": 3}, {"properties": {"a": INTEGER}, "required": ["a"]}]},
        {
            "oneOf": [
                record({"a": INTEGER}, additionalProperties=True),
                record({"b": INTEGER}, additionalProperties=True),
            ]
        },
        {
            "oneOf": [
                record({"a": INTEGER}) | {"required": ["a", "x"]},
                record({"b": INTEGER}, additionalProperties=True),
            ]
        },
        {
            "oneOf": [
                record({"a": INTEGER}),
                {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "required": ["a"]},
            ]
        },
    ],
    "checked",
)

_NOT = (
    cases(
        "not",
        [
            {"not": {"type": "string"}},
            {"not": {"type": ["number", "boolean", "null"]}},
            {"enum": ["a", "b", "c"], "not": {"const": "b"}},
            {"enum": [1, 2, 3], "not": {"enum": [1, 3]}},
            {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "not": {"required": ["a", "b"]}},
            {"not": False},
            {"type": "integer", "not": {"not": {"minimum": 5}}},
            {"type": "boolean", "not": {"const": True}},
        ],
    )
    + cases(
        "not",
        [
            {"type": "string", "not": {"const": "forbidden"}},
            {"type": "integer", "not": {"minimum": 5, "maximum": 10}},
            {"type": "string", "not": {"maxLength": 3}},
            {"type": "number", "not": {"type": "integer"}},
        ],
        "checked",
    )
    + cases(
        "not",
        [
            {"not": {}},
            {"not": True},
            {"enum": ["a"], "not": {"const": "a"}},
            {"not": 3},
            {"$id": 3, "type": "string", "not": {"const": "x"}},
        ],
        "refused",
    )
)

_ADDRESS = {
    "type": "object",
    "properties": {"country": {"enum": ["US", "NL"]}, "code": {"type": "string", "maxLength": 10}},
    "required": ["country", "code"],
}
_CONDITIONS = cases(
    "if, then, else",
    [
        {
            **_ADDRESS,
            "if": {"properties": {"country": {"const": "US"}}},
            "then": {"properties": {"code": {"pattern": "^[0-9]{5}$"}}},
            "else": {"properties": {"code": {"pattern": "^[0-9]{4} [A-Z]{2}$"}}},
        },
        {**_ADDRESS, "if": {"properties": {"country": {"const": "US"}}}, "then": {"required": ["state"]}},
        {
            "type": "object",
            "properties": {"paid": BOOLEAN, "method": {"enum": ["cash", "card"]}},
            "required": ["paid"],
            "if": {"properties": {"paid": {"const": True}}, "required": ["paid"]},
            "then": {"required": ["method"]},
        },
        {"if": {"type": "string"}, "then": {"maxLength": 3}, "else": {"type": "integer"}},
        {
            "type": "object",
            "if": {"required": ["a"]},
            "then": {"required": ["b"]},
            "properties": {"a": INTEGER, "b": INTEGER},
        },
        {"if": {"const": 1}, "type": "integer"},
    ],
) + cases(
    "if, then, else",
    [
        {"type": "integer", "if": {"minimum": 10}, "then": {"multipleOf": 10}},
        {
            "type": "object",
            "properties": {"n": INTEGER, "why": SHORT},
            "required": ["n"],
            "if": {"properties": {"n": {"minimum": 100}}},
            "then": {"required": ["why"]},
        },
    ],
    "checked",
)

_DEPENDENCIES = cases(
    "dependencies",
    [
        {"type": "object", "properties": {"card": SHORT, "address": SHORT}, "dependentRequired": {"card": ["address"]}},
        {"type": "object", "properties": {"card": SHORT, "address": SHORT}, "dependencies": {"card": ["address"]}},
        {
            "type": "object",
            "properties": {"card": SHORT},
            "dependentSchemas": {
                "card": {"properties": {"cvc": {"type": "string", "pattern": "^[0-9]{3}$"}}, "required": ["cvc"]}
            },
        },
        {
            "type": "object",
            "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER},
            "dependentRequired": {"a": ["b"], "b": ["c"]},
        },
    ],
) + cases(
    "dependencies",
    [
        {
            "type": "object",
            "properties": {f"p{n}": INTEGER for n in range(9)},
            "dependentRequired": {f"p{n}": [f"p{(n + 1) % 9}"] for n in range(9)},
        }
    ],
    "checked",
)

_UNEVALUATED = cases(
    "unevaluated*",
    [
        {"allOf": [_NAMED], "properties": {"age": INTEGER}, "unevaluatedProperties": False},
        {"$ref": "#/$defs/named", "unevaluatedProperties": False, "$defs": {"named": _NAMED}},
        {"allOf": [{"prefixItems": [INTEGER]}], "type": "array", "unevaluatedItems": False, "maxItems": 2},
    ],
    "checked",
)

COMPOSITION: list[Case] = [
    *_REFERENCES,
    *_ALL_OF,
    *_ANY_OF,
    *_ONE_OF,
    *_NOT,
    *_CONDITIONS,
    *_DEPENDENCIES,
    *_UNEVALUATED,
]
