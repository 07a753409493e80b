"""The tests' side of a check: runs them with the solution's functions replaced by calls into the other process.

Runs inside the sandbox, without sevenb (the import below is replaced by the module's text) and without a line of the
solution. It is the first process there, so that all ends with it.
"""

import builtins

from sevenb.lab.sandbox.boxed.values import dumps, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any, BinaryIO


class SolutionEnded(BaseException):
    """The solution's process is gone, or answers with what is no answer. No test catches this by mistake."""


class Solution:
    """The other process, as far as it is known here: by its answers."""

    def __init__(self, answers: "BinaryIO", calls: "BinaryIO") -> None:
        self.answers = answers
        self.calls = calls

    def receive(self) -> "list[Any]":
        """One answer as [kind, …]."""
        line = self.answers.readline()
        if not line.endswith(b"\n"):
            raise SolutionEnded("the program ended before it was tested to the end")
        try:
            kind, first, *more = loads(line)
        except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
            raise SolutionEnded("the program gave an answer that is no value") from None
        return [kind, first, *more]

    def function(self, name: str) -> "Callable[..., Any]":
        """A function here that is computed there."""

        def remote(*arguments: object, **keywords: object) -> object:
            try:
                self.calls.write(dumps((name, arguments, keywords)))
                self.calls.flush()
            except BrokenPipeError:
                raise SolutionEnded("the program ended before it was tested to the end") from None
            kind, value, *more = self.receive()
            if kind == "value":
                return value
            raise raised(value, *more)

        remote.__name__ = name
        return remote


def raised(kind: object, message: object = "", *_: object) -> Exception:
    """The error that a solution raised: of the same name, if it is one of Python's."""
    known = getattr(builtins, str(kind), None)
    if isinstance(known, type) and issubclass(known, Exception):
        try:
            return known(message)
        except TypeError:  # UnicodeDecodeError and the like want more
            pass
    error: Exception = type(str(kind), (Exception,), {})(message)
    return error


def check() -> None:
    """Run the tests at descriptor 3; write "passed", or "failed" and why, to 6."""
    with open(3, "rb") as task, open(4, "rb") as answers, open(5, "wb") as calls, open(6, "wb") as word:
        try:
            verify(Solution(answers, calls), **loads(task.read()))
            said = "passed"
        except BaseException as error:
            said = f"failed {told(error)}"  # the rest is in the hands of the solution
        word.write(said.encode(errors="replace"))


def verify(solution: Solution, tests: str, entry_point: str, context: str) -> None:
    """Raise whatever the tests raise."""
    kind, found, *more = solution.receive()
    if kind != "ready":
        raise raised(found, *more)
    functions = {str(name): solution.function(str(name)) for name in found}
    if entry_point and entry_point not in functions:
        raise NameError(f"there is no function {entry_point}")
    names: dict[str, Any] = {"__name__": "tests"}
    exec(compile(context, "context.py", "exec"), names)
    code = compile(tests, "tests.py", "exec")
    wanted = {name for name in named(code) if name in functions and name not in names and not hasattr(builtins, name)}
    names.update((name, functions[name]) for name in ({*wanted, entry_point} if entry_point else wanted))
    exec(code, names)
    if entry_point and callable(names.get("check")) and names["check"] is not functions.get("check"):
        names["check"](functions[entry_point])


def named(code: "CodeType") -> set[str]:
    """Every name that a piece of code and the functions in it may look up among the globals."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= named(constant)
    return names


def told(error: BaseException) -> str:
    """An error in one line, with the line of the tests that raised it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, SolutionEnded):
        return str(error)
    line, trace = None, error.__traceback__
    while trace:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == "tests.py" else line
        trace = trace.tb_next
    return f"{text[:300]} (line {line} of the tests)" if line else text[:300]
