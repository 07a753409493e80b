"""How tool calls are scored: by value, in any order, and with room where several answers are right."""

import json
from typing import Any

import jsonschema
import pytest

from benchmarks.report import tools_report
from benchmarks.results import ToolKind, ToolResult
from benchmarks.tools.cases import CASES, KINDS
from benchmarks.tools.expectation import Call, OneOf, Saying, matches, one_of, optional, same_calls, same_names, saying


@pytest.mark.parametrize(
    ("expected", "actual", "equal"),
    [
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        (True, 1, False),
        (None, None, True),
        ("Paris", " paris", True),
        ("Paris", "Paris, France", False),
        (5, "5", False),
        ([1, "a"], [1, "A"], True),
        ([1, 2], [2, 1], False),
        ({"a": 1}, {"a": 1}, True),
        ({"a": 1}, {}, False),
        ({"a": 1}, {"a": 1, "b": 2}, False),
        ({"a": {"b": one_of("x", "y")}}, {"a": {"b": "Y"}}, True),
        ({"a": optional(1)}, {}, True),
        ({"a": optional(1)}, {"a": 2}, False),
        (saying("three", "meeting"), "The Meeting is at three.", True),
        (saying("three", "meeting"), "The meeting.", False),
    ],
)
def test_arguments_are_compared_as_values(expected: Any, actual: Any, equal: bool):
    assert matches(expected, actual) is equal


def test_calls_may_come_in_any_order_but_each_once():
    a, b = Call("f", {"x": 1}), Call("f", {"x": 2})
    assert same_calls([a, b], [b, a])
    assert not same_calls([a, b], [a, a])
    assert not same_calls([a], [a, a])
    assert not same_calls([], [a])
    assert same_names([a, b], [a, a])
    assert not same_names([a], [])


def test_there_are_at_least_sixty_cases_of_all_kinds():
    assert len(CASES) >= 60
    assert {case.kind for case in CASES} == set(KINDS)


def _plain(expected: Any) -> Any:
    match expected:
        case OneOf(values):
            return _plain(values[0])
        case Saying(words):
            return " ".join(words)
        case dict():
            return {key: _plain(value) for key, value in expected.items()}
        case list():
            return [_plain(value) for value in expected]
    return expected


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.messages[0]["content"][:40])
def test_what_a_case_expects_can_be_said_with_its_tools(case: Any):
    schemas = {tool.name: tool.parameters for tool in case.tools}
    for call in case.calls:
        jsonschema.validate(json.loads(json.dumps(_plain(dict(call.arguments)))), schemas[call.name])
        assert matches(call.arguments, _plain(dict(call.arguments)))


def test_the_report_shows_each_kind_and_the_whole():
    kinds = [ToolKind("single", 4, 4, 2, 3, 1, 4, 4, 3), ToolKind("none needed", 4, 4, 4, 4, 3, 0, 0, 0)]
    table = tools_report([ToolResult("m", "today", kinds)])
    assert "| single | 4 | 4 | 3 | 2 | 1 | 4 of 4 | 3 of 4 |" in table
    assert "| none needed | 4 | 4 | 4 | 4 | 3 | – | – |" in table
    assert "| all | 8 | 100% | 88% | 75% | 50% | 100% | 75% |" in table
