"""How values go between the tests and a solution: as JSON, by value, so that neither can reach into the other.

Runs inside the sandbox, without sevenb: the standard library only, and no more of it than is needed.
"""

import json

TYPE_CHECKING = False  # importing `typing` would take longer than most programs run
if TYPE_CHECKING:
    from typing import Any

_SEQUENCES: "dict[str, Any]" = {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}


class Foreign:
    """A value that cannot be carried over, such as a generator; equal to nothing."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __repr__(self) -> str:
        """The name of its type."""
        return f"<{self.kind}>"


def dumps(value: object) -> bytes:
    """A value as one line."""
    return json.dumps(pack(value)).encode() + b"\n"


def loads(line: bytes) -> "Any":
    """The value again. Raises ValueError, TypeError, LookupError, ArithmeticError or RecursionError if it is none."""
    return unpack(json.loads(line))


def pack(value: object) -> object:
    """JSON for a value: None, truth values, strings and usual numbers as they are, all else as [kind, …]."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -(2**63) <= value < 2**63 else ["int", hex(value)]
    if isinstance(value, float):
        return float(value)
    if isinstance(value, str):
        return str.__str__(value)
    for kind, sequence in _SEQUENCES.items():
        if isinstance(value, sequence):
            return [kind, [pack(part) for part in value]]
    if isinstance(value, dict):
        return ["dict", [[pack(key), pack(part)] for key, part in value.items()]]
    if isinstance(value, complex):
        return ["complex", value.real, value.imag]
    if isinstance(value, (bytes, bytearray)):
        return ["bytes", bytes(value).hex()]
    if type(value).__name__ in ("Fraction", "Decimal"):
        return [type(value).__name__, str(value)]
    return ["foreign", type(value).__name__]


def unpack(packed: "Any") -> "Any":
    """The value of what `pack` made."""
    if not isinstance(packed, list):
        if isinstance(packed, dict):
            raise ValueError("no value")
        return packed
    kind, *parts = packed
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](unpack(part) for part in parts[0])
    if kind == "dict":
        return {unpack(key): unpack(part) for key, part in parts[0]}
    if kind == "int":
        return int(parts[0], 16)
    if kind == "complex":
        return complex(*parts)
    if kind == "bytes":
        return bytes.fromhex(parts[0])
    if kind == "Fraction":
        from fractions import Fraction

        return Fraction(parts[0])
    if kind == "Decimal":
        from decimal import Decimal

        return Decimal(parts[0])
    return Foreign(str(parts[0]))
