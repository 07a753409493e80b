"""Schemas that refer to themselves so that no finite value satisfies them."""

from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.schema.references import Schema
from sevenb.structured.schema.size import name_of

_MAX_ROUNDS = 64
_CHILDREN = ("allOf", "anyOf", "prefixItems")


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
        if "$ref" in schema and name_of(schema["$ref"]) not in self.possible_names:
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
        if "$ref" in schema and name_of(schema["$ref"]) not in self.possible_names:
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
