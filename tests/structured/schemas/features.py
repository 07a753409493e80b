"""Schemas that each try one keyword, or two together."""

from itertools import product
from typing import Any

from sevenb.structured.schema.formats import STRING_FORMATS
from tests.structured.schemas.case import BOOLEAN, INTEGER, NUMBER, SHORT, STRING, Case, cases, record

_TYPES = cases(
    "type",
    [
        *({"type": name} for name in ("null", "boolean", "integer", "number", "string", "array", "object")),
        {"type": ["string", "null"]},
        {"type": ["integer", "string", "boolean"]},
        {"type": ["object", "array"]},
        {"type": ["array"], "items": {"type": ["number"]}},
        {},
        True,
        record({"anything": True, "nothing": {"type": "null"}}),
    ],
) + cases("type", [False, {"type": "text"}, {"type": []}, {"type": 3}], "refused")

_VALUES = cases(
    "enum, const",
    [
        {"enum": ["red", "green", "blue"]},
        {"type": "string", "enum": ["红", "绿", "蓝"]},
        {"enum": [1, 2.5, -3]},
        {"enum": [None, True, "x", 0, [], {}]},
        {"enum": ["a", "ab", "abc", ""]},
        {"enum": ['with "quotes"', "back\\slash", "tab\t", "new\nline", "😀"]},
        {"enum": [{"a": 1}, {"a": 2, "b": [1, "two", None]}]},
        {"const": "exactly"},
        {"const": 42},
        {"const": None},
        {"const": {"deep": {"list": [1, {"x": False}]}}},
        {"type": "integer", "enum": [1, 2, "not an integer"]},
        {"type": "string", "enum": [f"value {n}" for n in range(2000)]},
        record({"version": {"const": 2}, "kind": {"enum": ["a", "b"]}}),
        {"const": 1e-7},
        {"enum": ["a", "b"], "const": "b"},
    ],
) + cases(
    "enum, const",
    [
        {"enum": []},
        {"enum": "red"},
        {"enum": ["a"], "const": "b"},
        {"const": "a\u0001b"},
        {"enum": ["fine", "not \u007f fine"]},
        {"type": "integer", "const": "x"},
    ],
    "refused",
)

_LENGTHS = cases(
    "minLength, maxLength",
    [
        {"type": "string", "minLength": least, "maxLength": most}
        for least, most in ((0, 0), (0, 1), (1, 1), (3, 5), (0, 100), (10, 40), (5, 500))
    ]
    + [{"type": "string", "minLength": 4}, {"type": "string", "maxLength": 2_000_000_000}, {"maxLength": 3}],
) + cases(
    "minLength, maxLength",
    [{"type": "string", "minLength": 5, "maxLength": 2}, {"minLength": -1}, {"minLength": "1"}, {"minLength": 10**9}],
    "refused",
)

_PATTERNS = cases(
    "pattern",
    [
        {"type": "string", "pattern": pattern}
        for pattern in (
            r"^[a-z]+$",
            r"^\d{3}-\d{4}$",
            r"^(\([0-9]{3}\))?[0-9]{3}-[0-9]{4}$",
            r"^#[0-9a-fA-F]{6}$",
            r"^v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9.]+)?$",
            r"^[A-Z]{2}[0-9]{2}[A-Z0-9]{4,30}$",
            r"^(red|green|blue)$",
            r"^[一-龥]{2,4}$",
            r"^\S+$",
            r"^\w+\s\w+$",
            r"^[^@]+@[^@]+$",
            r"^[\w.-]+$",
            r"^/([a-z]+/)*$",
            r"^\+?[1-9]\d{1,14}$",
            r"abc",
            r"^start",
            r"end$",
            r"^$",
            r"^a|b$",
            r"^(?:a|b)\\c\"$",
            r"^[\u4e00-\u9fa5A-Za-z]+$",
            r"^.{2,8}$",
            r"^(?i:yes|no)$",
        )
    ]
    + [
        {"type": "string", "pattern": "^[a-z]+$", "minLength": 3, "maxLength": 6},
        {"type": "string", "pattern": "^[0-9A-F]*$", "maxLength": 8},
        {"pattern": "^x"},
    ],
) + cases(
    "pattern",
    [
        {"type": "string", "pattern": pattern}
        for pattern in (r"^(?=a)b", r"^(?!x)", r"(a)\1", r"(", r"[", r"a{2,1}", r"(?<=a)b", r"\Qx")
    ]
    + [{"pattern": 3}, {"type": "string", "pattern": "^a$", "minLength": 3}],
    "refused",
)

_FORMATS = (
    cases("format", [{"type": "string", "format": name} for name in STRING_FORMATS])
    + cases(
        "format",
        [
            {"type": "string", "format": "date", "pattern": "^2024-"},
            {"type": "string", "format": "uri", "minLength": 1, "maxLength": 200},
            {"type": "string", "format": "password"},
            {"type": "string", "format": "something of ours", "maxLength": 10},
            {"type": ["string", "null"], "format": "date-time"},
            {"type": "integer", "format": "int32"},
            {"type": "integer", "format": "uint8", "minimum": 10},
            {"type": "integer", "format": "int64"},
            {"type": "number", "format": "double"},
            {"format": "ipv4"},
            record({"from": {"type": "string", "format": "date"}, "to": {"type": "string", "format": "date"}}),
        ],
    )
    + cases("format", [{"type": "string", "format": 1}], "refused")
)

_BOUNDS: list[dict[str, Any]] = [
    {"type": kind, **bounds}
    for kind, bounds in product(
        ("integer", "number"),
        (
            {"minimum": 0},
            {"maximum": 100},
            {"minimum": -5, "maximum": 5},
            {"exclusiveMinimum": 0, "maximum": 1000},
            {"minimum": 1, "exclusiveMaximum": 10},
            {"minimum": 17, "maximum": 17},
            {"minimum": -273.15, "maximum": 99.5},
            {"multipleOf": 5, "minimum": 0, "maximum": 100},
        ),
    )
]
_NUMBERS = cases(
    "numbers",
    [
        *_BOUNDS,
        {"type": "number", "multipleOf": 0.01, "minimum": 0, "maximum": 1000},
        {"type": "number", "multipleOf": 0.5},
        {"type": "integer", "multipleOf": 7},
        {
            "type": "integer",
            "minimum": 1,
            "exclusiveMinimum": True,
            "$schema": "http://json-schema.org/draft-04/schema#",
        },
        {
            "type": "number",
            "maximum": 1,
            "exclusiveMaximum": False,
            "$schema": "http://json-schema.org/draft-04/schema#",
        },
        {"minimum": 3},
        record(
            {"latitude": {"type": "number", "minimum": -90, "maximum": 90}, "age": {"type": "integer", "minimum": 0}}
        ),
    ],
) + cases(
    "numbers",
    [
        {"type": "integer", "minimum": 5, "maximum": 4},
        {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2},
        {"multipleOf": 0},
        {"minimum": "1"},
        {"minimum": 10**400},
        {"type": "integer", "multipleOf": 10, "minimum": 1, "maximum": 9},
    ],
    "refused",
)

_ARRAYS = cases(
    "arrays",
    [
        {"type": "array", "items": STRING},
        {"type": "array", "items": INTEGER, "minItems": 1},
        {"type": "array", "items": INTEGER, "maxItems": 3},
        {"type": "array", "items": BOOLEAN, "minItems": 2, "maxItems": 2},
        {"type": "array", "maxItems": 0},
        {"type": "array", "items": False},
        {"type": "array", "items": {"type": "array", "items": NUMBER, "minItems": 2, "maxItems": 2}},
        {"type": "array", "prefixItems": [STRING, INTEGER]},
        {"type": "array", "prefixItems": [STRING, INTEGER], "items": False},
        {"type": "array", "prefixItems": [STRING], "items": BOOLEAN},
        {"type": "array", "prefixItems": [STRING, INTEGER], "minItems": 2, "maxItems": 2},
        {"type": "array", "prefixItems": [STRING], "minItems": 3, "maxItems": 4},
        {"type": "array", "items": [STRING, INTEGER], "additionalItems": False},
        {"type": "array", "items": [STRING], "additionalItems": INTEGER},
        {"type": "array", "items": record({"id": INTEGER, "name": SHORT})},
        {"items": STRING},
        {"type": "array", "items": {"enum": ["a", "b"]}, "minItems": 3},
        {"type": "array", "items": STRING, "uniqueItems": False},
        {"type": "array", "items": STRING, "uniqueItems": True, "maxItems": 1},
        {"type": "array", "maxItems": 10**12, "items": INTEGER},
        {"type": "array", "contains": {"const": 7}, "items": {"type": "integer", "maximum": 99}},
        {"type": "array", "contains": {"const": 7}, "minContains": 0},
        {"type": "array", "prefixItems": [INTEGER], "unevaluatedItems": False},
    ],
) + cases(
    "arrays",
    [
        {"type": "array", "minItems": 4, "maxItems": 3},
        {"type": "array", "items": False, "minItems": 1},
        {"type": "array", "minItems": 10**9},
        {"items": 3},
        {"prefixItems": []},
    ],
    "refused",
)

_CHECKED_ARRAYS = cases(
    "uniqueItems, contains",
    [
        {"type": "array", "items": STRING, "uniqueItems": True},
        {"type": "array", "items": {"enum": ["a", "b", "c"]}, "uniqueItems": True},
        {
            "type": "array",
            "items": {"$ref": "#/$defs/tag"},
            "uniqueItems": True,
            "$defs": {"tag": {"enum": ["x", "y"]}},
        },
        {"type": "array", "items": INTEGER, "uniqueItems": True, "minItems": 1, "maxItems": 4},
        {"type": "array", "contains": {"const": 1}, "minContains": 2, "items": {"enum": [1, 2]}},
        {"type": "array", "contains": {"const": 1}, "maxContains": 1, "items": {"enum": [1, 2]}, "maxItems": 3},
        {"type": "array", "prefixItems": [STRING], "contains": INTEGER, "items": True, "maxItems": 3},
        record({"tags": {"type": "array", "items": SHORT, "uniqueItems": True, "maxItems": 5}}),
    ],
    "checked",
)

_OBJECTS = cases(
    "objects",
    [
        record({"name": STRING}),
        record({"name": STRING, "age": INTEGER}, additionalProperties=False),
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}},
        {"type": "object", "properties": {"a": INTEGER, "b": STRING}, "required": ["b"]},
        {"type": "object", "properties": {"a": INTEGER}, "required": ["a", "unlisted"]},
        {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": True},
        {"type": "object", "properties": {"a": INTEGER}, "additionalProperties": STRING},
        {"type": "object", "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": False},
        {"type": "object", "required": ["a", "b"]},
        {"type": "object", "properties": {}},
        {"type": "object", "properties": {"deep": record({"deeper": record({"deepest": BOOLEAN})})}},
        {"type": "object", "properties": {"never": False, "always": INTEGER}},
        {"properties": {"a": INTEGER}, "required": ["a"]},
        {"type": ["object", "null"], "properties": {"a": INTEGER}},
        record({'odd "name"\\': INTEGER, "空格 名": STRING, "": BOOLEAN, "a/b~c": NUMBER, "$ref": STRING}),
        record({f"field{n}": {"type": "integer", "maximum": 9, "minimum": 0} for n in range(60)}),
        {"type": "object", "patternProperties": {"^x-": STRING}, "additionalProperties": False},
        {"type": "object", "patternProperties": {"^[a-z]+$": INTEGER}, "properties": {"Name": STRING}},
        {"type": "object", "patternProperties": {"^a": INTEGER, "^b": STRING}, "additionalProperties": False},
        {"type": "object", "propertyNames": {"pattern": "^[a-z]{1,5}$"}, "additionalProperties": INTEGER},
        {"type": "object", "propertyNames": {"enum": ["left", "right"]}, "additionalProperties": NUMBER},
        {"type": "object", "propertyNames": {"maxLength": 3}, "maxProperties": 3},
        {"type": "object", "propertyNames": {"format": "date"}, "additionalProperties": INTEGER},
        {"type": "object", "additionalProperties": INTEGER, "minProperties": 1},
        {"type": "object", "additionalProperties": INTEGER, "maxProperties": 2},
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "minProperties": 1},
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "minProperties": 1, "maxProperties": 1},
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER}, "required": ["a"], "minProperties": 1},
        {"type": "object", "properties": {"a": INTEGER}, "unevaluatedProperties": False},
    ],
) + cases(
    "objects",
    [
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "additionalProperties": False, "required": ["a"]},
        {"type": "object", "minProperties": 3, "maxProperties": 2},
        {"properties": []},
        {"properties": {"a": 1}},
        {"required": "a"},
        {"required": [1]},
        {"type": "object", "patternProperties": {"^a": INTEGER, "^ab": STRING}},
        {"type": "object", "patternProperties": {"^(?=a)": INTEGER}},
        {"additionalProperties": "no"},
    ],
    "refused",
)

_CHECKED_OBJECTS = cases(
    "minProperties, maxProperties",
    [
        {"type": "object", "additionalProperties": INTEGER, "minProperties": 3},
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}, "minProperties": 2},
        {"type": "object", "properties": {"a": INTEGER, "b": INTEGER, "c": INTEGER}, "maxProperties": 2},
        {
            "type": "object",
            "properties": {"a": INTEGER},
            "propertyNames": {"maxLength": 3},
            "additionalProperties": True,
        },
    ],
    "checked",
)

FEATURES: list[Case] = [
    *_TYPES,
    *_VALUES,
    *_LENGTHS,
    *_PATTERNS,
    *_FORMATS,
    *_NUMBERS,
    *_ARRAYS,
    *_CHECKED_ARRAYS,
    *_OBJECTS,
    *_CHECKED_OBJECTS,
]
