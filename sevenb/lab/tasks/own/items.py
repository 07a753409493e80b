"""Reads the questions of one's own task and puts them into its template, naming file and line of what is wrong."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, TemplateError, UndefinedError

from sevenb.errors import InvalidRequest
from sevenb.lab.data.rows import numbered_rows
from sevenb.lab.tasks.choice.letters import LETTERS
from sevenb.lab.tasks.own.description import Description, Mistakes, nearest
from sevenb.model.template_sandbox import TemplateSandbox

MAX_DATA_BYTES = 64 << 20
MAX_ITEMS = 100_000


class Row:
    """The fields of one question, and where they stand."""

    def __init__(self, place: str, number: int, fields: dict[str, Any]) -> None:
        self.place = place
        self.number = number
        self.fields = fields

    def field(self, name: str) -> Any:
        """A field's value. Raises `InvalidRequest` where there is none."""
        if self.fields.get(name) is None:
            raise self.wrong(f"there is no field {name!r} with a value; the item has {', '.join(self.fields)}")
        return self.fields[name]

    def wrong(self, message: str) -> InvalidRequest:
        """An error about this question."""
        return InvalidRequest(f"{self.place}: {message.rstrip('.')}.")


def read_items(description: Description, folder: Path, mistakes: Mistakes) -> list[Row]:
    """All questions. Raises `InvalidRequest` or `DataUnavailable`."""
    if description.items is not None:
        rows = [Row(f"item {number}", number, item) for number, item in enumerate(description.items, 1)]
    else:
        rows = list(read_file(description.data or "", "data", folder, mistakes))
    if not rows:
        raise mistakes.at("items" if description.items is not None else "data", "there are no questions.")
    if len(rows) > MAX_ITEMS:
        raise mistakes.at("data", f"there are {len(rows)} questions; at most {MAX_ITEMS} are read.")
    return rows


def read_file(name: str, key: str, folder: Path, mistakes: Mistakes) -> Iterator[Row]:
    """The rows of a JSONL, JSON or CSV file that a key names."""
    path = folder / Path(name).expanduser()
    if not path.is_file():
        there = sorted(other.name for other in path.parent.glob("*") if other.suffix in (".jsonl", ".json", ".csv"))
        raise mistakes.at(key, f"there is no file {path}{nearest(path.name, there)}.")
    if path.stat().st_size > MAX_DATA_BYTES:
        raise mistakes.at(key, f"{path} has more than {MAX_DATA_BYTES >> 20} MiB.")
    for line, fields in numbered_rows(path):
        yield Row(f"{path}, line {line}", line, fields)


class PromptTemplate:
    """A Jinja template of the YAML file. It runs in a sandbox and may use the fields of the item.

    ``options`` are the choices, one a line, with letters.
    """

    def __init__(self, source: str, key: str, mistakes: Mistakes) -> None:
        self._sandbox = TemplateSandbox()
        self._sandbox.undefined = StrictUndefined
        self._mistakes = mistakes
        self._key = key
        try:
            self._template, _ = self._sandbox.load(source)
        except (TemplateError, RecursionError) as error:
            line = f" in its line {number}" if (number := getattr(error, "lineno", None)) else ""
            raise mistakes.at(key, f"the template {key!r} cannot be read: {str(error).rstrip('.')}{line}.") from None

    def render(self, row: Row, choices: str) -> str:
        """The prompt of one question. Raises `InvalidRequest`."""
        variables: Mapping[str, Any] = {**listed_options(row.fields.get(choices)), **row.fields}
        try:
            prompt = self._sandbox.render(self._template, variables, mark="\0").strip()
            prompt.encode()  # half of a character cannot be sent
        except UndefinedError as error:
            missing = re.search(r"'(\w+)' is undefined", str(error))
            name = missing[1] if missing else str(error)
            raise row.wrong(
                f"the template {self._key!r} uses {name!r}, and the item has no such field"
                f"{nearest(name, list(variables))}; it has {', '.join(row.fields)}"
            ) from None
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, RecursionError) as error:
            raise row.wrong(f"the template {self._key!r} fails: {error}") from None
        return prompt


def listed_options(choices: Any) -> dict[str, str]:
    """The variable ``options``, where there are choices."""
    if not isinstance(choices, list) or not choices:
        return {}
    return {"options": "\n".join(f"{letter}. {choice}" for letter, choice in zip(LETTERS, choices, strict=False))}
