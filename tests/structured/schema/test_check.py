"""The check of finished answers, for what grammars cannot hold."""

import time
from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.structured.schema.json_schema import compile_schema

_UNIQUE: dict[str, Any] = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}


def _check(schema: Any, text: str) -> str | None:
    check = compile_schema(schema, "schema").check
    assert check is not None
    return check(text)


def test_a_failure_names_the_keyword_and_the_place() -> None:
    schema = {"type": "object", "properties": {"tags": _UNIQUE}}
    assert _check(schema, '{"tags": ["a", "b"]}') is None
    problem = _check(schema, '{"tags": ["a", "a"]}')
    assert problem is not None
    assert problem.startswith("'uniqueItems' does not hold at ['tags']")


def test_what_is_cut_short_or_too_deep_is_never_proof() -> None:
    assert _check(_UNIQUE, '["a"') is not None
    assert _check(_UNIQUE, "") is not None
    assert _check({**_UNIQUE, "items": {}}, "[" * 100_000) is not None


def test_decimal_fractions_are_compared_as_they_are_written() -> None:
    schema = {"type": "array", "items": {"type": "number", "multipleOf": 0.01}, "uniqueItems": True}
    assert _check(schema, "[0.07, 1.15, 4.35]") is None
    assert _check(schema, "[0.075]") is not None
    assert _check(schema, "[7e70]") is None


@pytest.mark.parametrize(
    ("excluded", "passing", "failing"),
    [
        ({"type": "integer"}, ["2.5", "1e-3", '"a"', "true"], ["3", "3.0", "30e-1", "1e400"]),
        ({"const": 3}, ["3.5", "true"], ["3", "3.0", "3e0"]),
        ({"enum": [0.07, [1]]}, ["7", "[true]"], ["0.07", "0.070", "[1]", "[1.0]"]),
    ],
)
def test_a_number_is_the_same_however_it_is_written(excluded: Any, passing: list[str], failing: list[str]) -> None:
    schema = {"not": {"allOf": [excluded]}}
    assert [_check(schema, text) for text in passing] == [None] * len(passing)
    assert None not in [_check(schema, text) for text in failing]


def test_patterns_that_take_exponential_time_elsewhere_are_matched_at_once() -> None:
    schema = {"type": "string", "not": {"pattern": "^(a+)+$"}}
    began = time.process_time()
    assert _check(schema, '"' + "a" * 5_000 + 'b"') is None
    assert _check(schema, '"' + "a" * 5_000 + '"') is not None
    assert time.process_time() - began < 10  # Python's re would need longer than the universe has


def test_names_are_matched_like_texts() -> None:
    listed = {"patternProperties": {"^(x+)+$": {"type": "integer"}}, "additionalProperties": False}
    schema = {"type": "object", "not": {**listed, "minProperties": 1}}
    assert _check(schema, '{"xx": 1}') is not None
    assert _check(schema, '{"xx": "1"}') is None
    assert _check(schema, '{"y": 1}') is None


@pytest.mark.parametrize("odd", [{"$schema": 3}, {"$id": 3}, {"not": {"pattern": "(?=a)"}}])
def test_what_cannot_be_checked_is_refused_at_the_start(odd: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="cannot be"):
        compile_schema({**_UNIQUE, **odd}, "schema")


_WORD = {"$defs": {"word": {"type": "string"}}}
_INNER = {"type": "array", "items": {"$ref": "#/$defs/word"}, "uniqueItems": True}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"a": {"$id": "https://example.com/inner", **_INNER}}, **_WORD},
        {"properties": {"a": {"$id": "https://example.com/inner", **_INNER, **_WORD}}, "$defs": {"word": True}},
        {"properties": {"a": {"$id": "http://127.0.0.1:1/x/", **_INNER, "items": {"$ref": "item"}}}}
        | {"$defs": {"a": {"$id": "item"}}},
        {"properties": {"a": {"$id": "http://[", **_INNER}}, **_WORD},
    ],
    ids=["nowhere", "elsewhere", "on the network", "no address"],
)
def test_a_reference_that_means_something_else_inside_a_nested_id_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match=r"'\$ref'|cannot be checked"):
        compile_schema({"type": "object", **schema}, "schema")


@pytest.mark.parametrize("named", ["https://example.com/s", "https://example.com/s#", "urn:example:s"])
def test_a_reference_to_the_schemas_own_id_is_local(named: str) -> None:
    reference = f"{named.removesuffix('#')}#/$defs/word"
    schema = {"$id": named, "type": "array", "items": {"$ref": reference}, "uniqueItems": True, **_WORD}
    schema["$defs"] = {**_WORD["$defs"], "unused": {"$ref": "https://example.com/elsewhere"}}
    assert _check(schema, '["a", "b"]') is None
    assert _check(schema, '["a", 1]') is not None


def test_dependencies_of_old_drafts_are_checked() -> None:
    schema = {**_UNIQUE, "items": {"type": "object", "properties": {f"p{n}": {"type": "integer"} for n in range(8)}}}
    schema["items"]["dependencies"] = {f"p{n}": ["p7"] for n in range(7)}
    assert _check(schema, '[{"p0": 1, "p7": 2}]') is None
    assert _check(schema, '[{"p0": 1}]') is not None
