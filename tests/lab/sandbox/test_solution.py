"""Solutions pass if they are right, and by nothing else that they do."""

import pytest

from sevenb.lab.sandbox import Limits, check_solution
from sevenb.lab.sandbox.boxed.values import dumps, loads
from tests.lab.sandbox.host import leftover_processes, linux_only

pytestmark = linux_only

TESTS = """
def check(candidate):
    assert candidate([3, 1, 2]) == [1, 2, 3]
    assert candidate([]) == []
    assert candidate([7.5, -2]) == [-2, 7.5]
"""

RIGHT = {
    "plain": "def f(x): return sorted(x)",
    "with a helper and an import": """
import heapq
def g(x): return heapq.nsmallest(len(x), x)
def f(x): return g(x)
""",
    "with recursion": """
def f(x):
    return [] if not x else [min(x)] + f([*x[:x.index(min(x))], *x[x.index(min(x)) + 1:]])
""",
    "a method": """
class A:
    def f(self, x): return sorted(x)
f = A().f
""",
    "with output": """
def f(x):
    print('x' * 1000000)
    return sorted(x)
""",
    "with a demonstration": """
def f(x): return sorted(x)
if __name__ == '__main__': raise SystemExit(f(input()))
""",
    "a subclass of list": """
class L(list): pass
def f(x): return L(sorted(x))
""",
}

WRONG = {
    "nothing": "",
    "another name": "def g(x): return sorted(x)",
    "wrong": "def f(x): return x",
    "raises": "def f(x): raise ValueError(x)",
    "no Python": "Here is the function you asked for!",
    "generator": "def f(x): yield from sorted(x)",
}

FORGED = {
    "exit before the tests": "import sys; sys.exit(0)",
    "hard exit before the tests": "import os; os._exit(0)",
    "exit in the call": """
import os
def f(x): os._exit(0)
""",
    "soft exit in the call": "def f(x): raise SystemExit(0)",
    "says it passed": """
def f(x):
    print('passed')
    return x
print('passed', flush=True)
""",
    "writes it to every descriptor": """
import os
for n in range(256):
    try: os.write(n, b'passed')
    except OSError: pass
def f(x): return x
""",
    "writes it and leaves": """
import os
for n in range(256):
    try: os.write(n, b'passed')
    except OSError: pass
os._exit(0)
""",
    "equal to everything": """
class Equal:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
def f(x): return Equal()
""",
    "a list equal to everything": """
class Equal(list):
    def __eq__(self, other): return True
def f(x): return Equal()
""",
    "assertions undone": """
import builtins
class AssertionError(Exception): pass
builtins.AssertionError = AssertionError
builtins.exec = builtins.compile = lambda *a: None
def f(x): return x
""",
    "sorted replaced": """
import builtins
builtins.len = lambda x: 0
builtins.list = tuple
def f(x): return x
""",
    "exit hook": """
import atexit, os
atexit.register(os.write, 1, b'passed')
atexit.register(os._exit, 0)
def f(x): return x
""",
    "traced": """
import sys
sys.settrace(lambda frame, *a: frame.f_globals.update(check=lambda *a: None))
def f(x): return x
""",
    "looks up the stack": """
import sys
def f(x):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()) + list(frame.f_globals.items()):
            if 'candidate' in repr(value): raise SystemExit
        frame = frame.f_back
    return x
""",
    "all objects": """
import gc
def f(x):
    for thing in gc.get_objects():
        if isinstance(thing, dict) and 'check' in thing: thing['check'] = lambda *a: None
    return x
""",
    "changes what it is given": """
def f(x):
    x.clear()
    return x
""",
    "recursive answer": """
def f(x):
    x.append(x)
    return x
""",
    "answers in the harness's place": r"""
import os
os.write(5, b'["tuple", ["ready", ["list", ["f"]]]]\n' + b'["tuple", ["value", ["list", []]]]\n' * 9)
os._exit(0)
""",
    "its own check": """
def check(candidate): pass
def f(x): return x
""",
    "answers with no value": r"""
import os
os.write(5, b'{"passed": 1}\n')
import time; time.sleep(600)
""",
    "answers without end": """
import os
while True: os.write(5, b'[' * 65536)
""",
    "answers too deep": r"""
import os
os.write(5, b'[' * 200000 + b'\n')
import time; time.sleep(600)
""",
    "kills the tests": """
import os, signal
for target in (1, os.getppid(), -1):
    for number in (9, 2, 15):
        try: os.kill(target, number)
        except OSError: pass
def f(x): return x
""",
    "never answers": """
import time
def f(x): time.sleep(600)
""",
    "endless thread": """
import threading
def spin():
    while True: pass
threading.Thread(target=spin).start()
def f(x): return x
""",
    "daemon that answers": """
import os, time
def f(x):
    try:
        if os.fork() == 0: os.setsid(); time.sleep(600)
    except OSError: pass
    return x
""",
    "crash": """
import ctypes
def f(x): ctypes.string_at(0)
""",
    "memory": "def f(x): return [0] * 10**10",
    "monstrous error": "def f(x): raise ValueError('passed' * 10**7)",
    "error with a hostile text": """
class E(Exception):
    def __str__(self): import os; os._exit(0)
def f(x): raise E
""",
    "error of that name": """
class passed(Exception): pass
def f(x): raise passed
""",
    "replaces json": """
import json
json.dumps = lambda *a, **k: '["tuple", ["passed", "passed"]]'
def f(x): return x
""",
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_solution_passes(name: str) -> None:
    verdict = check_solution(RIGHT[name], TESTS, "f")
    assert (verdict.passed, verdict.reason) == (True, "")


@pytest.mark.parametrize("name", [*WRONG, *FORGED])
def test_a_wrong_solution_does_not_pass_whatever_it_does(name: str) -> None:
    verdict = check_solution({**WRONG, **FORGED}[name], TESTS, "f", limits=Limits(seconds=2, memory=256 << 20))
    assert not verdict.passed
    assert verdict.reason
    assert "\n" not in verdict.reason
    assert len(verdict.reason) < 400
    assert not [line for line in leftover_processes() if "solution" in line]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(x): return x", "AssertionError (line 3 of the tests)"),
        ("def f(x): raise KeyError('no')", "KeyError: \"'no'\" (line 3 of the tests)"),
        ("def f(x", "SyntaxError: '(' was never closed (solution.py, line 1)"),
        ("import numpyy", "ModuleNotFoundError: No module named 'numpyy'"),
        ("def g(x): pass", "NameError: there is no function f"),
        ("exit()", "NameError: name 'exit' is not defined"),
        ("def f(x):\n    while True: pass", "not done after 2 s"),
    ],
)
def test_the_reason_is_said_in_a_line(source: str, reason: str) -> None:
    limits = Limits(seconds=2 if "2 s" in reason else 60)
    assert check_solution(source, TESTS, "f", limits=limits).reason == reason


def test_tests_may_call_several_functions_and_expect_errors() -> None:
    tests = """
assert double(2) == 4
assert half(4) == 2.0
try:
    half('x')
    raise SystemError
except TypeError:
    pass
"""
    source = "def double(x): return 2 * x\ndef half(x): return x / 2"
    assert check_solution(source, tests).passed
    assert check_solution(source.replace("2 * x", "3 * x"), tests).reason == "AssertionError (line 2 of the tests)"


def test_what_the_tests_use_of_the_task_is_not_the_solution_s() -> None:
    context = "def value_at(c, x): return sum(k * x ** n for n, k in enumerate(c))\ndef root(c): ..."
    tests = "def check(candidate):\n    assert abs(value_at([1, 2], candidate([1, 2]))) < 1e-6"
    assert check_solution("def root(c): return -c[0] / c[1]", tests, "root", context).passed
    forged = "def value_at(c, x): return 0\ndef root(c): return 5"
    assert not check_solution(forged, tests, "root", context).passed


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**200, 1.5, float("inf"), 1 + 2j, "", "é \ud800 𝄞 \n", b"\0\xff", [], [1, [2, (3,)]], (),
        {1, "a"}, frozenset({1}), {}, {"a": {1: (2, 3)}, (1, 2): None},
    ],
    ids=repr,
)  # fmt: skip
def test_values_come_back_as_they_went(value: object) -> None:
    back = loads(dumps(value))
    assert back == value
    assert type(back) is type(value)
