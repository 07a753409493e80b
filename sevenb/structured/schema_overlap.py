"""Whether the branches of a ``oneOf`` exclude each other, so that it says no more than ``anyOf``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sevenb.structured.schema_keywords import TYPES
from sevenb.structured.schema_modern import only_type
from sevenb.structured.schema_negation import known_values
from sevenb.structured.schema_references import References, Schema

_MAX_HOPS = 12
_MAX_COMPARED = 20_000


def exclusive(branches: Sequence[Schema], references: References, *, closed: bool) -> bool:
    """Whether no value that is generated for one branch can satisfy another one.

    ``closed`` says that a branch which lists properties is generated without any others. False where it is not certain.
    """
    comparison = _Comparison(references, closed)
    views = [_view(branch, references) for branch in branches]
    return all(
        comparison.excludes(one, other, _MAX_HOPS)
        for i, one in enumerate(views)
        for j, other in enumerate(views)
        if i != j
    )


@dataclass
class _View:
    """What is certain about the values of a schema: a superset of them."""

    types: set[str] = field(default_factory=lambda: set(TYPES) - {"integer"})
    values: dict[str, Any] | None = None
    properties: dict[str, Schema] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    listed_only: bool = False
    plain: bool = True
    """Whether the schema is one object: nothing is merged into it."""


def _view(schema: Schema, references: References, hops: int = _MAX_HOPS) -> _View:
    view = _View()
    if isinstance(schema, bool):
        if not schema:
            view.types = set()
        return view
    _add(view, schema, references, hops)
    return view


def _add(view: _View, schema: dict[str, Any], references: References, hops: int) -> None:
    if hops == 0:
        view.plain = False
        return
    kinds = schema.get("type", only_type(schema) if schema.keys() & {"properties"} else None)
    if kinds is not None:
        named = {kinds} if isinstance(kinds, str) else set(kinds)
        view.types &= {"number" if name == "integer" else name for name in named}
    values = known_values(schema, references)
    if values is not None:
        view.values = values if view.values is None else {key: values[key] for key in values if key in view.values}
        view.types &= {_type_of(value) for value in view.values.values()}
    view.properties = {**schema.get("properties", {}), **view.properties}
    view.required |= set(schema.get("required", ()))
    if schema.get("additionalProperties") is False and not schema.get("patternProperties"):
        view.listed_only = True
    view.plain = view.plain and not schema.keys() & {"allOf", "anyOf", "oneOf", "if", "patternProperties"}
    for part in [
        *schema.get("allOf", ()),
        *([{"$ref": schema["$ref"]}] if "$ref" in schema and len(schema) > 1 else []),
    ]:
        if isinstance(part, dict):
            _add(view, part, references, hops - 1)
    if schema.keys() == {"$ref"}:
        target = references.resolve(schema["$ref"])
        if isinstance(target, dict):
            _add(view, target, references, hops - 1)
        elif target is False:
            view.types = set()


def _type_of(value: Any) -> str:
    for name, kind in (("boolean", bool), ("string", str), ("number", (int, float)), ("array", list), ("object", dict)):
        if isinstance(value, kind):
            return name
    return "null"


@dataclass
class _Comparison:
    references: References
    closed: bool
    compared: int = 0

    def excludes(self, one: _View, other: _View, hops: int) -> bool:
        """Whether no value generated for ``one`` satisfies ``other``; False too when that takes too long to find."""
        self.compared += 1
        if self.compared > _MAX_COMPARED:
            return False
        common = one.types & other.types
        if not common:
            return True
        if one.values is not None and other.values is not None and not one.values.keys() & other.values.keys():
            return True
        if common != {"object"} or hops == 0:
            return False
        if other.listed_only and other.plain and one.required - other.properties.keys():
            return True
        only_listed = one.listed_only or (self.closed and bool(one.properties) and one.plain)
        if only_listed and other.required - one.properties.keys():
            return True
        return any(
            self.excludes(
                _view(one.properties[name], self.references), _view(other.properties[name], self.references), hops - 1
            )
            for name in sorted(one.required | other.required)
            if name in one.properties and name in other.properties
        )
