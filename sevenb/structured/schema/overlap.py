"""Whether the branches of a ``oneOf`` exclude each other, so that it says no more than ``anyOf``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sevenb.structured.schema.keywords import IN_PLACE, OF_OTHERS, TYPES, is_constraint
from sevenb.structured.schema.modern import only_type
from sevenb.structured.schema.negation import known_values
from sevenb.structured.schema.references import References, Schema

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
    written: set[str] = field(default_factory=lambda: set(TYPES) - {"integer"})
    """The types of values that are generated: schemas that speak of one type only are of that type."""
    values: dict[str, Any] | None = None
    properties: dict[str, Schema] = field(default_factory=dict)
    required: set[str] = field(default_factory=set)
    listed_only: bool = False
    closed: bool = False
    """Whether, alone, it is generated without properties that it does not list."""

    def restrict(self, types: set[str]) -> None:
        self.types &= types
        self.written &= types


def _view(schema: Schema, references: References) -> _View:
    view = _View()
    _add(view, schema, references, _MAX_HOPS, alone=True)
    return view


def _add(view: _View, schema: Schema, references: References, hops: int, *, alone: bool) -> None:
    """Add what one part of a schema says; ``alone`` if it is the only part."""
    if isinstance(schema, bool):
        view.restrict(view.types if schema else set())
        return
    if hops == 0:
        return
    told = {keyword: value for keyword, value in schema.items() if is_constraint(keyword)}
    _add_types(view, told, alone=alone)
    values = known_values(told, references)
    if values is not None:
        view.values = values if view.values is None else {key: values[key] for key in values if key in view.values}
        view.restrict({_type_of(value) for value in view.values.values()})
    view.properties = {**told.get("properties", {}), **view.properties}
    view.required |= set(told.get("required", ()))
    if told.get("additionalProperties") is False and not told.get("patternProperties"):
        view.listed_only = True
    parts = list(told.get("allOf", ()))
    if "$ref" in told:
        parts.append(references.resolve(told["$ref"]))
    view.closed = view.closed or (
        alone
        and not told.keys() & {*IN_PLACE, *OF_OTHERS}
        and bool(view.properties)
        and view.required <= view.properties.keys()
        and told.get("minProperties", 0) <= len(view.properties)
    )
    for part in parts:
        _add(view, part, references, hops - 1, alone=alone and len(told) == len(parts) == 1)


def _add_types(view: _View, told: dict[str, Any], *, alone: bool) -> None:
    if "type" in told:
        named = {told["type"]} if isinstance(told["type"], str) else set(told["type"])
        view.restrict({"number" if name == "integer" else name for name in named})
    elif alone and not told.keys() & set(IN_PLACE) and (kind := only_type(told)) is not None:
        view.written &= {kind}


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
        common = (one.written if self.closed else one.types) & other.types
        if not common:
            return True
        if one.values is not None and other.values is not None and not one.values.keys() & other.values.keys():
            return True
        if common != {"object"} or hops == 0:
            return False
        if other.listed_only and one.required - other.properties.keys():
            return True
        only_listed = one.listed_only or (self.closed and one.closed)
        if only_listed and other.required - one.properties.keys():
            return True
        return any(
            self.excludes(
                _view(one.properties[name], self.references), _view(other.properties[name], self.references), hops - 1
            )
            for name in sorted(one.required | other.required)
            if name in one.properties and name in other.properties
        )
