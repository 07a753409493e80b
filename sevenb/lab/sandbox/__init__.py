"""Runs programs that nobody has read where they can do no harm, and says what became of them."""

from sevenb.lab.sandbox.program import Limits, Outcome, run_program, sandbox_kind
from sevenb.lab.sandbox.solution import Verdict, check_solution

__all__ = ["Limits", "Outcome", "Verdict", "check_solution", "run_program", "sandbox_kind"]
