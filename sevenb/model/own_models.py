"""`OwnModel`: a model that a user added to the store from a file of theirs, under a name that no hub knows."""

import re
from dataclasses import dataclass

OWN_SOURCE = "a file of yours"  # what its manifest says of where it came from

_NAME = re.compile(r"\w[\w.-]*(:[\w.-]+)?")
_MAX_BYTES = 120  # it names a folder


@dataclass(frozen=True)
class OwnModel:
    """A name that the user chose."""

    name: str
    license: str = ""


def is_own_name(name: str) -> bool:
    """Whether a model may be called so: letters, digits, ``.``, ``_``, ``-``, and a tag behind a colon."""
    return bool(_NAME.fullmatch(name)) and len(name.encode()) <= _MAX_BYTES and not name.lower().endswith(".gguf")
