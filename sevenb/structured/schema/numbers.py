"""Large numbers in a schema: llguidance reads them as doubles or 64-bit integers, and takes neighbours for the same."""

from typing import Any

from sevenb.structured.schema.modern import refusal

_EXACT = 2**53 - 1
"""Up to here a double holds every integer."""
_DIGITS = 15
"""As many significant digits survive a double."""
_FARTHEST = 922 * 10**16
"""Of bounds: within 64 bits, sign included."""


def refuse_inexact(keyword: str, value: Any, parameter: str) -> None:
    """Raise `InvalidRequest` for a ``const`` or ``enum`` with a number that would be written as another one."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, (int, float)) and abs(item) > _EXACT:
            problem = f"holds the number {str(item)[:40]}, which cannot be kept exactly; make it a text"
            raise refusal(keyword, problem, parameter)
        if isinstance(item, dict):
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)


def exact_bound(keyword: str, value: float, parameter: str) -> float:
    """A bound, drawn inwards to a number that is the same however it is read.

    Raises `InvalidRequest` for one that leaves no number of 64 bits.
    """
    if abs(value) <= _EXACT:
        return value
    upper = keyword in ("maximum", "exclusiveMaximum")
    if (value < 0) == upper and abs(value) > _FARTHEST:
        raise refusal(keyword, f"is {value:.3g}, beyond the integers of 64 bits", parameter)
    bound = max(-_FARTHEST, min(int(value), _FARTHEST))
    unit: int = 10 ** (len(str(abs(bound))) - _DIGITS)
    bound -= bound % unit  # downwards
    inwards = -unit if upper else unit
    while not all(read <= value if upper else read >= value for read in (bound, int(float(bound)))):
        bound += inwards
    return bound
