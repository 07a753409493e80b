"""What the ``$ref``s of a JSON Schema point to, all within the schema itself."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from sevenb.errors import InvalidRequest
from sevenb.structured.limits import MAX_RESOLVED

Schema = dict[str, Any] | bool


class References:
    """Finds the targets of references: JSON pointers, anchors and ids inside one document."""

    def __init__(self, root: Schema, parameter: str) -> None:
        self._root = root
        self._parameter = parameter
        self._named: dict[str, Schema] | None = None
        self._resolved = 0

    def resolve(self, reference: str) -> Schema:
        """The schema that is referred to; raises `InvalidRequest` if there is none in this document.

        Only references make a small schema large: past a number of them it is refused as hostile.
        """
        self._resolved += 1
        if self._resolved > MAX_RESOLVED:
            raise InvalidRequest(
                f"The JSON Schema in {self._parameter} cannot be enforced: its '$ref's lead to too many combinations.",
                self._parameter,
            )
        target = self._find(reference)
        if isinstance(target, (dict, bool)):
            return target
        where = "in the schema" if reference.startswith("#") else "in the schema, and nothing is fetched from elsewhere"
        raise InvalidRequest(
            f"The '$ref' {reference[:200]!r} in {self._parameter} leads to nothing {where}; write it into $defs.",
            self._parameter,
        )

    def _find(self, reference: str) -> Any:
        address, _, fragment = reference.partition("#")
        document = self._names().get(address) if address else self._root
        if document is None:
            return self._names().get(reference)
        if fragment in ("", "/"):
            return document
        if fragment.startswith("/"):
            return self._follow(document, fragment)
        return self._names().get(reference, self._names().get(f"#{fragment}"))

    def _follow(self, place: Any, pointer: str) -> Any:
        for step in pointer[1:].split("/"):
            key = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(place, Mapping) and key in place:
                place = place[key]
            elif isinstance(place, list) and key.isdigit() and len(key) < 7 and int(key) < len(place):
                place = place[int(key)]
            else:
                return None
        return place

    def _names(self) -> dict[str, Schema]:
        if self._named is None:
            self._named = {}
            for part in objects_in(self._root):
                anchor, identifier = part.get("$anchor"), part.get("$id", part.get("id"))
                if isinstance(anchor, str):
                    self._named.setdefault(f"#{anchor}", part)
                if isinstance(identifier, str):
                    self._named.setdefault(identifier.removesuffix("#"), part)
        return self._named


def objects_in(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value, without recursion."""
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            yield item
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
