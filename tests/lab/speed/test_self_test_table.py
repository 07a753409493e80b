"""What ``sevenb bench self-test`` shows."""

from rich.console import Console

from sevenb.cli.self_test_table import self_test_table, verdict_text
from sevenb.lab.speed.self_test import Comparison, SelfTest

RIGHT = Comparison(script="stall", trap="loses the longest gap", figure="TTFT", sent=0.2, measured=0.203, passed=True)
WRONG = Comparison(script="stall", trap="loses the longest gap", figure="TPOT", sent=0.02, measured=0.05, passed=False)


def shown(result: SelfTest) -> str:
    console = Console(width=160, record=True)
    console.print(self_test_table(result), verdict_text(result))
    return console.export_text()


def test_each_figure_stands_beside_what_was_sent() -> None:
    text = shown(SelfTest((RIGHT,)))
    row = next(line for line in text.splitlines() if "TTFT" in line)
    assert [part in row for part in ("200.0 ms", "203.0 ms", "+3.00 ms", "✓")] == [True] * 4
    assert "Passed: all 1 figures are what the server really did." in text


def test_what_is_wrong_is_named() -> None:
    text = shown(SelfTest((RIGHT, WRONG)))
    assert "✗" in next(line for line in text.splitlines() if "TPOT" in line)
    assert "Failed: 1 of 2 figures (stall: TPOT)." in text
