"""Whether two pieces of mathematics are equal, by math-verify in a process of its own.

Its time limits are signals, which only a main thread gets; and what a model writes may keep sympy busy for hours.
"""

import atexit
import contextlib
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as Late
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context

from sevenb.errors import DataUnavailable

SECONDS = 20.0  # for one comparison, the start of the process not counted
START_SECONDS = 60.0
MEMORY = 4 << 30  # bytes of that process


@dataclass(frozen=True)
class Equality:
    """``found``: what was read in the text, None where there was no mathematics."""

    equal: bool
    found: str | None


def equal_to(expected: str, text: str) -> Equality:
    """Whether the answer in ``text`` equals ``expected``, a formula in LaTeX without dollars.

    What takes longer than `SECONDS` is not equal. Raises `DataUnavailable` where math-verify does not run.
    """
    return _judge.compare(expected, text)


def require_math_verify() -> None:
    """Raise `DataUnavailable`, with what to do, where math-verify is not installed."""
    if find_spec("math_verify") is None:
        raise DataUnavailable("Comparing formulas needs math-verify; install it with: pip install 'sevenb[lab]'.")


class _Judge:
    """One process at a time, made when it is needed, replaced when it is stuck."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None

    def compare(self, expected: str, text: str) -> Equality:
        with self._guard:
            judge = self._running()
            try:
                return judge.submit(_compare, expected, text).result(SECONDS)
            except (Late, BrokenProcessPool):
                self.stop()
                return Equality(False, None)

    def _running(self) -> ProcessPoolExecutor:
        if self._pool is None:
            require_math_verify()
            self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_bound)
            try:
                self._pool.submit(_compare, "1", "$1$").result(START_SECONDS)
            except (Late, BrokenProcessPool, ImportError) as error:
                self.stop()
                raise DataUnavailable(
                    f"math-verify does not start ({error or 'it takes too long'}); install it anew with: "
                    "pip install --force-reinstall 'sevenb[lab]'."
                ) from error
        return self._pool

    def stop(self) -> None:
        if self._pool is not None:
            for process in list((self._pool._processes or {}).values()):  # no public way to end one that is stuck
                process.kill()
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


_judge = _Judge()
atexit.register(_judge.stop)


def _compare(expected: str, text: str) -> Equality:
    from math_verify import parse, verify  # type: ignore[import-untyped]

    try:
        answer = parse(text)
        gold = parse(f"$\\boxed{{{expected}}}$")
        return Equality(bool(gold and answer and verify(gold, answer)), _written(answer[-1]) if answer else None)
    except Exception:  # what nobody can compute is equal to nothing
        return Equality(False, None)


def _written(formula: object) -> str:
    try:
        return str(formula)
    except ValueError:
        return "a number of thousands of digits"  # which Python does not write


def _bound() -> None:
    """A few signs can ask for more memory than there is."""
    import resource

    with contextlib.suppress(ValueError, OSError):  # not on every system, and not beyond what was set before
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
