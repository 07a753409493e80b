"""`Fields`: typed, bounded look-ups in a JSON object that may be hostile."""

from collections.abc import Mapping
from typing import Any, NoReturn

from sevenb.model.hf import sidecars

MAX_SIZE = 1 << 24
MAX_CONTEXT = 1 << 24


class Fields:
    """``config.json`` of the folder ``source``, or a part of it; a key that is null counts as absent."""

    def __init__(self, values: Mapping[str, Any], source: str, path: str = "") -> None:
        self._values = values
        self._source = source
        self._path = path

    @property
    def empty(self) -> bool:
        """Whether there is nothing in it."""
        return not self._values

    def get(self, key: str) -> Any:
        """The value as it stands there; None where it is absent."""
        return self._values.get(key)

    def has(self, key: str) -> bool:
        """Whether there is a value."""
        return self._values.get(key) is not None

    def integer(self, key: str, *, low: int = 1, high: int = MAX_SIZE, default: int | None = None) -> int:
        """A whole number in ``[low, high]``."""
        value = self._required(key, default)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            self.corrupt(f"{self._full(key)} is {sidecars.shown(value)}, not a whole number from {low:,} to {high:,}")
        return value

    def number(self, key: str, *, low: float, high: float, default: float | None = None) -> float:
        """A finite number in ``(low, high]``."""
        value = self._required(key, default)
        if type(value) not in (int, float) or not low < value <= high:
            self.corrupt(f"{self._full(key)} is {sidecars.shown(value)}, not a number above {low:g} and up to {high:g}")
        return float(value)

    def text(self, key: str, default: str) -> str:
        """A string."""
        value = self._required(key, default)
        if not isinstance(value, str):
            self.corrupt(f"{self._full(key)} is {sidecars.shown(value)}, not a text")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self._required(key, default)
        if not isinstance(value, bool):
            self.corrupt(f"{self._full(key)} is {sidecars.shown(value)}, neither true nor false")
        return value

    def part(self, key: str) -> "Fields | None":
        """An object within; None where it is absent."""
        value = self._values.get(key)
        if value is not None and not isinstance(value, dict):
            self.corrupt(f"{self._full(key)} is {sidecars.shown(value)}, not an object")
        return None if value is None else Fields(value, self._source, f"{self._full(key)}.")

    def corrupt(self, reason: str) -> NoReturn:
        """Raise `CorruptModelFile`."""
        sidecars.corrupt(self._source, reason)

    def unsupported(self, reason: str) -> NoReturn:
        """Raise `UnsupportedModel`."""
        sidecars.unsupported(self._source, reason)

    def _full(self, key: str) -> str:
        return self._path + key

    def _required(self, key: str, default: Any) -> Any:
        value = self._values.get(key)
        if value is None:
            value = default
        if value is None:
            self.corrupt(f"its config.json has no {self._full(key)}")
        return value
