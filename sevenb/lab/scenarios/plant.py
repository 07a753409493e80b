"""What the long document tells of: the parts of an invented desalination plant, what they do, and what befalls them."""

from importlib.resources import files

import msgspec


class Fault(msgspec.Struct, frozen=True):
    """One kind of trouble, and the pieces of equipment that can have it."""

    what: str
    cause: str
    remedy: str
    on: tuple[str, ...]


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the plant: a chapter. ``low`` to ``high`` are the usual values of what is measured there."""

    name: str
    purpose: str
    tags: tuple[str, ...]
    measure: str
    unit: str
    low: float
    high: float
    digits: int
    faults: tuple[Fault, ...]
    tasks: tuple[str, ...]
    spare: str  # with its article
    finding: str


PARTS = msgspec.json.decode((files(__package__) / "plant.json").read_bytes(), type=tuple[Part, ...])
