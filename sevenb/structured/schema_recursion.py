"""Schemas that refer to themselves: those without an end, and those that grow without one when written out."""

from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.limits import MAX_EXPANDED
from sevenb.structured.schema_modern import refusal
from sevenb.structured.schema_references import Schema

_MAX_ROUNDS = 64
_CHILDREN = ("allOf", "anyOf", "prefixItems")


def refuse_explosion(root: dict[str, Any], parameter: str) -> None:
    """Raise `InvalidRequest` if merging references with what stands beside them takes too much room.

    A reference alone stays a reference; one that must hold together with other constraints is written out.
    """
    definitions = root.get("$defs", {})
    expansion = _Expansion(definitions, parameter)
    for schema in (root, *definitions.values()):
        expansion.size(schema, merged=False)


def without_endless(root: dict[str, Any], parameter: str) -> dict[str, Any]:
    """The schema without the options that no finite value can satisfy, such as a node that must hold a node.

    Raises `InvalidRequest` if none are left.
    """
    ends = _Ends(root.get("$defs", {}))
    if len(ends.possible_names) == len(ends.definitions):
        return root
    if not ends.possible(root):
        raise InvalidRequest(f"No value satisfies the JSON Schema in {parameter}: its '$ref's never end.", parameter)
    definitions = {name: ends.prune(item) for name, item in ends.definitions.items() if name in ends.possible_names}
    pruned = ends.prune({keyword: value for keyword, value in root.items() if keyword != "$defs"})
    assert isinstance(pruned, dict)
    return {**pruned, "$defs": definitions}


class _Expansion:
    def __init__(self, definitions: dict[str, Schema], parameter: str) -> None:
        self._definitions = definitions
        self._parameter = parameter
        self._sizes: dict[str, int | None] = {}

    def size(self, schema: Schema, *, merged: bool) -> int:
        if isinstance(schema, bool):
            return 1
        total = 1
        merged = merged or len(schema.keys() - {"$defs"}) > 1
        if "$ref" in schema and merged:
            total += self._definition(_name(schema["$ref"]))
        for part in schema.get("allOf", ()):
            total += self.size(part, merged=merged or len(schema["allOf"]) > 1)
        for part in schema.get("anyOf", ()):
            total += self.size(part, merged=merged)
        for item in _values_of(schema):
            total += self.size(item, merged=False)
        if total > MAX_EXPANDED:
            raise refusal("$ref", "leads to too many combinations", self._parameter)
        return total

    def _definition(self, name: str) -> int:
        if name not in self._sizes:
            self._sizes[name] = None
            self._sizes[name] = self.size(self._definitions[name], merged=True)
        size = self._sizes[name]
        if size is None:
            raise refusal("$ref", "recurs where it must be merged with other constraints", self._parameter)
        return size


class _Ends:
    """Which definitions some finite value satisfies: the least fixed point."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self.definitions = definitions
        self.possible_names: set[str] = set()
        for _ in range(_MAX_ROUNDS):
            before = len(self.possible_names)
            for name in reversed(definitions):
                if name not in self.possible_names and self.possible(definitions[name]):
                    self.possible_names.add(name)
            if len(self.possible_names) == before:
                return

    def possible(self, schema: Schema) -> bool:
        if isinstance(schema, bool):
            return schema
        if "$ref" in schema and _name(schema["$ref"]) not in self.possible_names:
            return False
        if not all(map(self.possible, schema.get("allOf", ()))):
            return False
        if "anyOf" in schema and not any(map(self.possible, schema["anyOf"])):
            return False
        kinds = schema.get("type", ())
        if kinds in ("object", ["object"]):
            properties = schema.get("properties", {})
            return all(self.possible(properties[name]) for name in schema.get("required", ()) if name in properties)
        if kinds in ("array", ["array"]):
            least = schema.get("minItems", 0)
            prefix = schema.get("prefixItems", [])
            tail = [schema["items"]] if "items" in schema and least > len(prefix) else []
            return all(map(self.possible, [*prefix[:least], *tail]))
        return True

    def prune(self, schema: Schema) -> Schema:
        if isinstance(schema, bool):
            return schema
        if "$ref" in schema and _name(schema["$ref"]) not in self.possible_names:
            return False
        pruned = dict(schema)
        for keyword, value in schema.items():
            if keyword in _CHILDREN:
                pruned[keyword] = [self.prune(item) for item in value]
            elif keyword in ("properties", "patternProperties"):
                pruned[keyword] = {name: self.prune(item) for name, item in value.items()}
            elif keyword in ("items", "additionalProperties"):
                pruned[keyword] = self.prune(value)
        return pruned


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _values_of(schema: dict[str, Any]) -> list[Schema]:
    """The schemas of values inside the value."""
    inside: list[Schema] = [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
    inside += schema.get("prefixItems", [])
    return inside + [schema[keyword] for keyword in ("items", "additionalProperties") if keyword in schema]
