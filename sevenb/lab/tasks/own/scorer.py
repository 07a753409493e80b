"""`Scorer`: one way to score answers to one's own questions."""

import json
from abc import ABC, abstractmethod
from typing import Any

from sevenb.lab.tasks.own.description import Description, Mistakes
from sevenb.lab.tasks.own.items import Row
from sevenb.lab.tasks.task import Score


class Scorer(ABC):
    """One way to score. ``told``: how it reads answers, for people."""

    told: str
    confirm_run_unsafe_code = False  # as `Task` has it

    def __init__(self, description: Description, mistakes: Mistakes) -> None:
        self.description = description

    @abstractmethod
    def expected(self, row: Row) -> Any:
        """What is expected of a question's answer, as JSON has it. Raises `InvalidRequest`."""

    @abstractmethod
    def score(self, text: str, expected: Any) -> Score:
        """Read an answer."""

    def require(self) -> None:  # noqa: B027  (most need nothing)
        """Raise a `SevenbError` if this machine lacks what scoring needs."""

    def conditions(self) -> dict[str, Any]:
        """As `Task.conditions`."""
        return {}

    def shown(self, expected: Any) -> str:
        """The answer of an example, as a model should have given it."""
        return str(expected)


def field_text(row: Row, name: str) -> str:
    """A field that holds text or a number. Raises `InvalidRequest`."""
    value = row.field(name)
    if isinstance(value, dict | list | bool):
        raise row.wrong(f"the field {name!r} must be text or a number, not {json.dumps(value, ensure_ascii=False):.60}")
    return str(value).strip()
