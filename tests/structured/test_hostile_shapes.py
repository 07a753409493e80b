"""Shapes made to take for ever, or all memory: refused or compiled, and in either case soon and in little room."""

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

_SECONDS, _BYTES = 20, 1500 * 2**20
"""Of processor time and of addresses: far above what any of these takes, far below what they would take unlimited."""

# In a process of its own, so that time, memory and the stack are this shape's alone.
_PROGRAM = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_AS, ({bytes}, {bytes}))
from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat
compiler = GrammarCompiler([bytes([i]) for i in range(256)] + [b"<end>"], special=[256], end_ids=[256])
for kind, value in json.load(sys.stdin):
    try:
        compiler.compile(OutputFormat(kind, value, "field").constraint().grammar)
        print("compiled")
    except InvalidRequest as error:
        print("refused:", str(error)[:200].replace(chr(10), " "))
"""


def _outcomes(*shapes: tuple[str, Any]) -> list[str]:
    """What became of each shape, all compiled in one new process within its limits."""
    process = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(seconds=_SECONDS, bytes=_BYTES)],
        input=json.dumps(shapes),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert process.returncode == 0, process.stderr[-2000:]
    outcomes = process.stdout.splitlines()
    assert len(outcomes) == len(shapes)
    return outcomes


def _schemas(*schemas: Any) -> list[str]:
    return _outcomes(*(("json_schema", schema) for schema in schemas))


def _nested(depth: int, around: Callable[[Any], Any], inmost: Any) -> Any:
    for _ in range(depth):
        inmost = around(inmost)
    return inmost


def _chain(length: int, link: Callable[[str], Any]) -> dict[str, Any]:
    definitions = {f"d{i}": link(f"#/$defs/d{i + 1}") for i in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**definitions, f"d{length}": {"type": "integer"}}}


def _properties(count: int, schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {f"property{i}": schema for i in range(count)}}


def test_deep_schemas_are_refused() -> None:
    deep = _nested(400, lambda inner: {"type": "array", "items": inner}, {})
    wide_and_deep = _nested(100, lambda inner: {"anyOf": [inner, {"type": "null"}]}, {})
    assert all("too deeply" in outcome for outcome in _schemas(deep, wide_and_deep))
    assert _schemas(_nested(40, lambda inner: {"type": "array", "items": inner}, {})) == ["compiled"]


def test_large_schemas_are_refused_before_they_are_read() -> None:
    ten_megabytes = {"description": "x" * 10_000_000}
    many_values = {"enum": [f"value {i}" for i in range(200_000)]}
    assert all("too large" in outcome for outcome in _schemas(ten_megabytes, many_values))


def test_large_enums_compile_up_to_a_limit() -> None:
    outcomes = _schemas(
        {"enum": [f"value number {i}" for i in range(10_000)]},
        {"enum": [f"{i}" for i in range(10_001)]},
        {"enum": [{"a": i} for i in range(5_000)]},
        {"const": {f"k{i}": i for i in range(20_000)}},
    )
    assert outcomes[0] == "compiled"
    assert all("refused" in outcome for outcome in outcomes[1:])


def test_references_that_multiply_do_not_explode() -> None:
    twice: list[Callable[[str], Any]] = [
        lambda to: {"type": "object", "properties": {k: {"$ref": to, "type": "object"} for k in "ab"}},
        lambda to: {"allOf": [{"$ref": to}, {"$ref": to}]},
        lambda to: {"anyOf": [{"$ref": to}, {"$ref": to}]},
        lambda to: {"oneOf": [{"$ref": to}, {"$ref": to}]},
        lambda to: {"oneOf": [{"allOf": [{"$ref": to}, {"$ref": to}]} for _ in range(5)]},
        lambda to: {"type": "object", "properties": {k: {"$ref": to} for k in "abcd"}, "required": list("abcd")},
        lambda to: {"not": {"not": {"$ref": to}}},
        lambda to: {"if": {"$ref": to}, "then": {"$ref": to}, "else": {"$ref": to}},
    ]
    outcomes = _schemas(*(_chain(40, link) for link in twice))
    assert "refused" in outcomes[0]
    assert "refused" in outcomes[1]


def test_checks_that_multiply_are_refused() -> None:
    def unevaluated(inner: Any) -> dict[str, Any]:
        return {"anyOf": [inner, {"type": "integer"}], "unevaluatedProperties": False, "unevaluatedItems": False}

    def conditional(inner: Any) -> dict[str, Any]:
        return {"oneOf": [{"not": inner}, {"contains": inner, "maxContains": 1}]}

    _schemas(_nested(40, unevaluated, {"type": "object"}), _nested(9, conditional, {"minimum": 3}))


def test_long_chains_of_references_do_not_exhaust_the_stack() -> None:
    outcomes = _schemas(
        _chain(3000, lambda to: {"type": "array", "items": {"$ref": to}}),
        _chain(3000, lambda to: {"type": "object", "properties": {"next": {"$ref": to}}, "required": ["next"]}),
        _chain(150, lambda to: {"type": "array", "items": {"$ref": to}}),
    )
    assert ["refused" in outcome for outcome in outcomes] == [True, True, False]


def test_combinations_that_multiply_are_refused() -> None:
    def option(i: int, j: int) -> dict[str, Any]:
        return {"type": "object", "properties": {f"p{i}": {"const": j}}, "required": [f"p{i}"]}

    outcomes = _schemas(
        {"allOf": [{"anyOf": [option(i, j) for j in range(2)]} for i in range(20)]},
        {"allOf": [{"anyOf": [option(i, j) for j in range(100)]} for i in range(3)]},
    )
    assert all("'allOf'" in outcome for outcome in outcomes)


def test_many_branches_and_properties_are_bounded() -> None:
    fifty = _properties(50, {"type": "string"})
    outcomes = _schemas(
        {"oneOf": [{**fifty, "required": list(fifty["properties"])} for _ in range(100)]},
        {"anyOf": [{"const": i} for i in range(1000)]},
        _properties(1500, {"type": "integer"}),
        _properties(6000, {"type": "string", "format": "date-time"}),
        {"type": "object", "patternProperties": {f"^(a{{{i},}}|b)+$": {} for i in range(40)}},
    )
    assert ["refused" in outcome for outcome in outcomes[1:]] == [True, False, True, True]


def test_counts_without_measure_are_bounded() -> None:
    outcomes = _schemas(
        {"type": "array", "items": {"type": "integer"}, "maxItems": 10**18},
        _nested(6, lambda inner: {"type": "array", "maxItems": 10**9, "items": inner}, {"type": "integer"}),
        {"type": "string", "maxLength": 10**18},
        {"type": "string", "minLength": 10**6},
        {"type": "array", "minItems": 10**6},
        {"type": "object", "additionalProperties": True, "maxProperties": 10**18},
    )
    assert ["refused" in outcome for outcome in outcomes] == [False, False, False, True, True, False]


_EXPONENTIAL = [
    "(a+)+$",
    "^((a|b)*c){1,1000}$",
    "^(.*a){20}.*$",
    "^(([a-z]+)*)*$",
    r"[\s\S]*a[\s\S]{30}b",
    "^" + "(a|" * 500 + "b" + ")" * 500 + "$",
    "^" + "a?" * 3000 + "a" * 3000 + "$",
    "^((((a{1,100}){1,100}){1,100}){1,100})$",
    "^a{1000000000}$",
    "(a|aa|aaa)*" * 200,
    r"\p{L}{0,1000}\p{N}{0,1000}",
    "(?i)" + "abc" * 3000,
]


def test_regular_expressions_that_explode_elsewhere_do_not_here() -> None:
    _schemas(*({"type": "string", "pattern": pattern} for pattern in _EXPONENTIAL))
    _outcomes(*(("regex", pattern) for pattern in _EXPONENTIAL))


def test_grammars_and_choices_are_bounded() -> None:
    shapes: list[tuple[str, Any]] = [
        ("choice", [f"choice {i}" for i in range(10_000)]),
        ("choice", [str(i) for i in range(100_000)]),
        ("grammar", "start: " + "(" * 5000 + '"a"' + ")" * 5000),
        ("grammar", "start: a0\n" + "\n".join(f'a{i}: a{i + 1} "x"' for i in range(3000)) + '\na3000: "y"'),
        ("grammar", "root ::= a0\n" + "\n".join(f'a{i} ::= a{i + 1} "x"' for i in range(2000)) + '\na2000 ::= "y"'),
        ("grammar", "start: a0\n" + "\n".join(f"a{i}: a{i + 1} a{i + 1}" for i in range(40)) + '\na40: "x"'),
        ("grammar", "start: a\na: a"),
        ("grammar", 'start: "a"{1000000000}'),
        ("grammar", "start: " + " | ".join(f'"{i:x}" "y"' for i in range(4000))),
        ("grammar", 'start: %json {"type": "array", "maxItems": 1000000000000}'),
        ("grammar", "root ::= " + "(" * 3000 + '"a"' + ")" * 3000),
        ("grammar", 'start: "a"' + "\n" * 60_000),
        ("regex", "\\" * 60_000 + "a"),
    ]
    outcomes = _outcomes(*shapes)
    assert ["refused" in outcome for outcome in outcomes[:5]] == [False, True, True, True, True]


@pytest.mark.parametrize("schema", [{"a": float("nan")}, {"const": "\ud800"}, [], "x", 3, None])
def test_what_is_not_json_is_refused(schema: Any) -> None:
    from sevenb.errors import InvalidRequest
    from sevenb.structured.output_format import OutputFormat

    with pytest.raises(InvalidRequest):
        OutputFormat.from_schema(schema, "field").constraint()


def test_large_multiples() -> None:
    outcomes = _schemas(
        {"multipleOf": 2**31},
        {"type": "integer", "multipleOf": 1_000_003},
        {"allOf": [{"multipleOf": 997}, {"multipleOf": 991}, {"multipleOf": 983}]},
        {"type": "number", "multipleOf": 9_999, "$ref": "#/$defs/a", "$defs": {"a": {"multipleOf": 9_973}}},
        {"properties": {f"p{i}": {"type": "number", "multipleOf": 9_973, "minimum": i} for i in range(20)}},
    )
    assert all("'multipleOf' is too large" in outcome for outcome in outcomes)
    assert (
        _schemas(
            {"type": "integer", "multipleOf": 3_600_000},
            {"type": "number", "multipleOf": 0.00025},
            {"properties": {f"p{i}": {"type": "number", "multipleOf": 0.01, "minimum": i} for i in range(500)}},
        )
        == ["compiled"] * 3
    )
