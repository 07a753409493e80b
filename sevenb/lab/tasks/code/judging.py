"""What tasks need that run programs of a model, and what their reports must say of it."""

from typing import Any

import msgspec

from sevenb.errors import SandboxUnavailable
from sevenb.lab.sandbox import Limits, check_solution, sandbox_kind


def require_sandbox(*, confirm_run_unsafe_code: bool) -> None:
    """Raise `SandboxUnavailable` where programs cannot be contained and that was not confirmed, or none would pass."""
    verdict = check_solution(
        "def following(x):\n    return x + 1", "assert following(1) == 2",
        confirm_run_unsafe_code=confirm_run_unsafe_code,
    )  # fmt: skip
    if not verdict.passed:
        raise SandboxUnavailable(f"A right program does not pass in the sandbox of this machine ({verdict.reason}).")


def sandbox_conditions() -> dict[str, Any]:
    """The sandbox and its limits."""
    return {"sandbox": sandbox_kind(), "limits": msgspec.to_builtins(Limits())}
