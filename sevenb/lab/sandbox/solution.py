"""`check_solution`: whether a program that a model wrote passes the tests of its task."""

from dataclasses import dataclass

from sevenb.lab.sandbox.program import Limits, run_program


@dataclass(frozen=True)
class Verdict:
    """``reason``: "" or why it did not pass, in one line."""

    passed: bool
    reason: str
    seconds: float


def check_solution(
    source: str, tests: str, entry_point: str = "", context: str = "", limits: Limits = Limits()
) -> Verdict:
    """Run ``source``, then ``tests`` against its functions."""
    call = f"\ncheck({entry_point})" if entry_point else ""
    done = run_program(f"{context}\n{source}\n{tests}{call}", limits)
    return Verdict(done.ended == "ok", "" if done.ended == "ok" else done.output.strip()[-200:], done.seconds)
