"""JSON is found where it stands, and only a valid object with the letter's values passes."""

import copy
import json

import pytest

from sevenb.lab.scenarios.json_reading import FoundJson, read_json
from sevenb.lab.scenarios.structured import check_letter

RIGHT = {
    "customer": "Marta Oliveira",
    "order_number": "KX-20417",
    "ordered_on": "2026-03-03",
    "priority": "urgent",
    "reachable_by_phone": False,
    "items": [
        {"product": "Desk lamp", "quantity": 2, "unit_price": 39.90},
        {"product": "Pack of printer paper", "quantity": 5, "unit_price": 6.25},
    ],
}


def failures(answer: str) -> list[str]:
    return [check.name for check in check_letter(answer) if not check.passed]


def changed(**fields) -> str:
    return json.dumps({**copy.deepcopy(RIGHT), **fields})


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('{"a": 1}', FoundJson({"a": 1}, True)),
        ('```json\n{"a": 1}\n```', FoundJson({"a": 1}, True)),
        ('Here it is:\n```json\n{"a": 1}\n```\nDone.', FoundJson({"a": 1}, False)),
        ('Sure! {"a": [1, 2]} I hope so.', FoundJson({"a": [1, 2]}, False)),
        ("use {braces} then [1]", FoundJson([1], False)),
        ('{"a": 1', None),
        ("{'a': 1}", None),
        ('{"a": NaN}', None),
        ('{"a": 1, "a": 2}', None),
        ('{"customer": "Marta", "items": [{"a": 1}, {"b": ', None),
        ('```json\n{"items": [{"a": 1}, {"b": ', None),
        ("[" * 100_000, None),
        ("", None),
    ],
)
def test_json_is_read_from_answers(answer, found):
    assert read_json(answer) == found


def test_the_right_object_passes_bare_and_fenced():
    assert failures(json.dumps(RIGHT)) == []
    assert failures(f"```json\n{json.dumps(RIGHT, indent=2)}\n```") == []


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ("I cannot do that.", ["json_read"]),
        (f"Here you are: {json.dumps(RIGHT)}", ["json_only"]),
        (changed(note="urgent!"), ["schema_valid"]),
        (changed(ordered_on="3 March 2026"), ["schema_valid", "value_equal"]),
        (changed(ordered_on="2026-03-13"), ["value_equal"]),
        (changed(reachable_by_phone=True), ["value_equal"]),
        (changed(reachable_by_phone=0), ["schema_valid", "value_equal"]),
        (changed(items=RIGHT["items"][:1]), ["value_equal", "value_equal"]),
        (changed(items=[{**RIGHT["items"][0], "quantity": "2"}, RIGHT["items"][1]]), ["schema_valid", "value_equal"]),
        (changed(items=[{**RIGHT["items"][0], "unit_price": 79.8}, RIGHT["items"][1]]), ["value_equal"]),
        ("[]", ["schema_valid", *["value_equal"] * 8]),
    ],
)
def test_each_fault_fails_its_own_check(answer, names):
    assert failures(answer) == names
