"""How much room a rewritten schema takes once it is compiled, where that is more than it looks."""

import json
import math
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from sevenb.structured.limits import MAX_CHAIN, MAX_DISTINCT, MAX_EXPANDED, MAX_REMAINDERS
from sevenb.structured.schema.modern import refusal
from sevenb.structured.schema.references import Schema


def refuse_explosion(root: dict[str, Any], parameter: str) -> None:
    """Raise `InvalidRequest` if compiling a schema takes too much room or too deep a stack.

    A reference alone stays a reference, which is compiled where it is first met; one that must hold together with other
    constraints is written out.
    """
    definitions = root.get("$defs", {})
    _refuse_many([root, *definitions.values()], parameter)
    _refuse_long_chains(root, definitions, parameter)
    _refuse_remainders([root, *definitions.values()], parameter)
    expansion = _Expansion(definitions, parameter)
    for schema in (root, *definitions.values()):
        expansion.size(schema, merged=False)


def _refuse_many(schemas: Sequence[Schema], parameter: str) -> None:
    """The texts a grammar spells out, property names above all, cost by the square of their number."""
    distinct: set[str] = set()
    total = 0
    for schema in schemas:
        for text in _spelt(schema):
            distinct.add(text)
            total += 1
            if len(distinct) > MAX_DISTINCT or total > MAX_EXPANDED:
                raise refusal(
                    "properties", f"are too many; at most {MAX_DISTINCT} different ones are compiled", parameter
                )


def _spelt(schema: Schema) -> Iterator[str]:
    if isinstance(schema, bool):
        return
    yield from schema.get("properties", ())
    yield from schema.get("required", ())
    yield from schema.get("patternProperties", ())
    if "pattern" in schema:
        yield schema["pattern"]
    for value in [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]:
        if isinstance(value, (dict, list)):
            yield from _spelt_in(value)
    for part in [*schema.get("allOf", ()), *schema.get("anyOf", ()), *_values_of(schema)]:
        yield from _spelt(part)


def _spelt_in(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _spelt_in(item)
    else:
        yield json.dumps(value)


def _refuse_long_chains(root: dict[str, Any], definitions: dict[str, Schema], parameter: str) -> None:
    seen: set[str] = set()
    rest: list[tuple[Schema, int]] = [(root, 0)]
    while rest:
        schema, depth = rest.pop()
        if depth > MAX_CHAIN:
            raise refusal("$ref", f"leads from schema to schema in a chain of more than {MAX_CHAIN}", parameter)
        if isinstance(schema, bool):
            continue
        rest += [(item, depth + 1) for item in reversed([*schema.get("allOf", ()), *schema.get("anyOf", ())])]
        rest += [(item, depth + 1) for item in reversed(_values_of(schema))]
        if "$ref" in schema and (name := name_of(schema["$ref"])) not in seen:
            seen.add(name)
            rest.append((definitions[name], depth + 1))


def _refuse_remainders(schemas: Sequence[Schema], parameter: str) -> None:
    """``multipleOf`` is compiled to an automaton with a state a remainder; of several at once, to their product."""
    factors: list[int] = []
    merged = False
    rest = list(schemas)
    while rest:
        schema = rest.pop()
        if isinstance(schema, bool):
            continue
        if "multipleOf" in schema:
            digits = Decimal(str(schema["multipleOf"])).normalize().as_tuple().digits  # a power of ten costs nothing
            factors.append(int("".join(map(str, digits))))
        together = [*schema.get("allOf", ()), *({"$ref", "anyOf", "multipleOf"} & schema.keys())]
        merged = merged or len(together) > 1
        rest += [*schema.get("allOf", ()), *schema.get("anyOf", ()), *_values_of(schema)]
    if max(sum(factors), math.lcm(*factors) if merged else 0) > MAX_REMAINDERS:
        raise refusal("multipleOf", f"is too large; at most {MAX_REMAINDERS} remainders are told apart", parameter)


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
            total += self._definition(name_of(schema["$ref"]))
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


def name_of(reference: str) -> str:
    """The definition that a reference in a rewritten schema leads to."""
    return reference.rpartition("/")[2]


def _values_of(schema: dict[str, Any]) -> list[Schema]:
    """The schemas of values inside the value."""
    inside: list[Schema] = [*schema.get("properties", {}).values(), *schema.get("patternProperties", {}).values()]
    inside += schema.get("prefixItems", [])
    return inside + [schema[keyword] for keyword in ("items", "additionalProperties") if keyword in schema]
