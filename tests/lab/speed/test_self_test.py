"""The lab's clock against a server that knows what it did."""

import asyncio
from typing import Any

import msgspec
import pytest

from sevenb.lab.progress import silent_progress
from sevenb.lab.speed.self_test import compare, self_test
from sevenb.lab.speed.self_test_scripts import SCRIPTS
from sevenb.lab.speed.self_test_server import Record
from sevenb.lab.target.answer import Answer

# Seconds. Other tests may take this machine's time between a byte's arrival and the look at the clock; what a wrong
# clock makes of these scripts is ten times as much.
SLACK = 0.03


def test_the_clock_measures_what_the_server_really_did() -> None:
    result = asyncio.run(self_test(progress=silent_progress(), slack=SLACK))
    assert {row.script for row in result.comparisons} == {*(s.name for s in SCRIPTS), "16 at once"}
    assert {row.figure for row in result.comparisons} == {"TTFT", "TPOT", "ITL", "longest gap", "E2E", "tokens"}
    assert [row for row in result.comparisons if not row.passed] == []


EXACT = Answer(
    text="", finish_reason="length", prompt_tokens=10, cached_tokens=None, completion_tokens=40,
    chunks=tuple(0.3 + 0.02 * number for number in range(40)), last=1.08, seconds=1.08,
)  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "figures"),
    [
        ({}, []),
        ({"chunks": (0.05, *EXACT.chunks)}, ["TTFT", "TPOT"]),  # the opening chunk for the first token
        ({"last": 2.5}, ["TPOT"]),  # until the usage came
        ({"completion_tokens": 20}, ["TPOT", "tokens"]),  # chunks for tokens
        ({"chunks": EXACT.chunks[::4]}, ["ITL"]),
        ({"seconds": 1.3}, ["E2E"]),
    ],
)
def test_a_clock_that_goes_wrong_is_found_out(wrong: dict[str, Any], figures: list[str]) -> None:
    record = Record(list(EXACT.chunks), last=1.08, end=1.08)
    rows = compare(SCRIPTS[0], "steady", [record], [msgspec.structs.replace(EXACT, **wrong)], SLACK)
    assert [row.figure for row in rows if not row.passed] == figures
