"""`check_solution`: whether a program that a model wrote passes the tests of its task.

The tests run in one process, what the model wrote in another, and only values go between them. So a pass cannot be
forged: the process that says "passed" never runs a line of the model's.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sevenb.lab.sandbox.boxed import values
from sevenb.lab.sandbox.program import STANDARD, Limits, layers, run
from sevenb.lab.sandbox.supervision.orders import Program

_IMPORT = "from sevenb.lab.sandbox.boxed.values import dumps, loads\n"
_ENDINGS = {
    "timeout": "not done after {:g} s",
    "memory": "more memory than is allowed",
    "killed": "killed: it did what no program may do here",
}


@dataclass(frozen=True)
class Verdict:
    """``reason``: why it did not pass, in one line; "" if it did."""

    passed: bool
    reason: str
    seconds: float


def check_solution(
    source: str,
    tests: str,
    entry_point: str = "",
    context: str = "",
    limits: Limits = STANDARD,
    *,
    confirm_run_unsafe_code: bool = False,
) -> Verdict:
    """Run ``source``, then ``tests`` against its functions, which they call by name.

    If the tests define ``check``, it is called with the function ``entry_point`` (as HumanEval's do). ``context`` is
    code that may be trusted, whose names the tests use. Values go over by value: numbers, strings, bytes, None, and
    lists, tuples, sets and dictionaries of these; what else a function returns is equal to nothing. Raises
    SandboxUnavailable where this system cannot contain programs and that was not confirmed.
    """
    task = {"tests": tests, "entry_point": entry_point, "context": context}
    tester = Program(_inside("testing.py", "check"), data=values.dumps(task))
    solution = Program(_inside("answering.py", "answer"), data=source.encode(errors="surrogatepass"))
    found = layers(confirm_run_unsafe_code=confirm_run_unsafe_code)
    report = run((tester, solution), limits, found)
    word, _, told = report.word.decode(errors="replace").partition(" ")
    if report.ended == "ok" and word:
        return Verdict(word == "passed", " ".join(told.split()), report.seconds)
    reason = _ENDINGS.get(report.ended, "the tests broke off").format(limits.seconds)
    return Verdict(False, reason, report.seconds)


@cache
def _inside(name: str, begin: str) -> str:
    """A program for the sandbox, which cannot import from here: with the text of what it imports."""
    folder = Path(values.__file__).parent
    text, imported = ((folder / file).read_text(encoding="utf-8") for file in (name, "values.py"))
    return f"{text.replace(_IMPORT, imported)}\n{begin}()\n"
