"""A JSON Schema rewritten with only the keywords that grammars have.

What the result accepts, the original accepts, but for the keywords in `Rewritten.unproven`. It is narrower where that
makes better answers: an object that lists properties has no others unless the schema says so (as llama.cpp and XGrammar
have it), and a schema that only speaks of one type is of that type.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from sevenb.structured.limits import MAX_EXPANDED
from sevenb.structured.schema.conditions import without_conditions
from sevenb.structured.schema.keywords import IN_PLACE, OF_OTHERS, OF_TYPE
from sevenb.structured.schema.modern import modernise, only_type, refusal, refuse_malformed
from sevenb.structured.schema.numbers import exact_bound, refuse_inexact
from sevenb.structured.schema.overlap import exclusive
from sevenb.structured.schema.references import References, Schema

_MAX_HOPS = 32
_MAX_PARTS = 1000


@dataclass(frozen=True)
class _Place:
    """Whether a schema is merged with others for the same value, and which properties those share with it.

    ``shared`` None means: perhaps any.
    """

    merged: bool = False
    shared: frozenset[str] | None = frozenset()

    def of_property(self, name: str) -> "_Place":
        return _MERGED if self.shared is None or name in self.shared else _ALONE


_ALONE = _Place()
_MERGED = _Place(merged=True, shared=None)


@dataclass(frozen=True)
class Rewritten:
    """``schema`` stands for itself, its definitions included. ``unproven`` are keywords it does not wholly hold."""

    schema: Schema
    unproven: tuple[str, ...]


def rewrite(schema: Schema, parameter: str) -> Rewritten:
    """Rewrite a schema; raises `InvalidRequest`, which names the keyword, for one that is malformed or too large."""
    return _Rewriting(schema, parameter).run()


@dataclass
class _Gathered:
    """What the parts of one value say of its properties, in order; ``certain`` unless others are spoken of."""

    names: list[str] = field(default_factory=list)
    required: set[str] = field(default_factory=set)
    least: int = 0
    parts: int = 0
    certain: bool = True

    @property
    def complete(self) -> bool:
        """Whether the listed properties can be all there are."""
        return self.certain and self.required <= set(self.names) and self.least <= len(set(self.names))

    @property
    def repeated(self) -> frozenset[str]:
        """The properties that several parts list."""
        return frozenset(name for name, times in Counter(self.names).items() if times > 1)


class _Rewriting:
    def __init__(self, root: Schema, parameter: str) -> None:
        self._root = root
        self._parameter = parameter
        self._references = References(root, parameter)
        refuse_malformed(root, self._references, parameter)
        self._definitions: dict[str, Schema] = {}
        self._names: dict[tuple[int, _Place], str] = {}
        self._pending: list[tuple[str, dict[str, Any], _Place]] = []
        self._unproven: dict[str, None] = {}
        self._written = 0

    def run(self) -> Rewritten:
        root = self._schema(self._root, _ALONE)
        while self._pending:
            name, target, place = self._pending.pop()
            self._definitions[name] = self._schema(target, place)
        if isinstance(root, dict) and self._definitions:
            root = {**root, "$defs": self._definitions}
        return Rewritten(root, tuple(self._unproven))

    # -- one schema ----------------------------------------------------------------------------------

    def _schema(self, schema: Schema, place: _Place) -> Schema:
        self._written += 1
        if self._written > MAX_EXPANDED:
            raise refusal("$ref", "leads to too many combinations", self._parameter)
        if isinstance(schema, bool):
            return schema
        node = self._without_conditions(modernise(schema, self._parameter))
        if not place.merged and "type" not in node and (kind := only_type(node)) is not None:
            node = {"type": kind, **node}
        gathered = self._gather(node)
        parts = _parts(node)
        self._drop_idle_counts(node, closed=not place.merged and parts == 1 and _lists_all(node, gathered))
        inside = place
        if parts > 1:
            inside = _Place(merged=True, shared=gathered.repeated if gathered.certain and not place.merged else None)
        rewritten: dict[str, Any] = {}
        if not place.merged and gathered.names and gathered.complete:
            if parts > 1:
                listed = dict.fromkeys(gathered.names, True)
                rewritten["allOf"] = [{"properties": listed, "additionalProperties": False}]
            elif "properties" in node:
                node["additionalProperties"] = False
        for keyword, value in node.items():
            self._keyword(rewritten, keyword, value, node, inside)
        return rewritten

    def _without_conditions(self, node: dict[str, Any]) -> dict[str, Any]:
        """Said without ``not``, ``if`` …; the parts this adds are rewritten with the others."""
        node, lost = without_conditions(node, self._references)
        self._unproven.update(dict.fromkeys(lost))
        return node

    def _keyword(self, into: dict[str, Any], keyword: str, value: Any, node: dict[str, Any], place: _Place) -> None:
        match keyword:
            case "$ref":
                self._reference(into, value, place)
            case "allOf":
                into["allOf"] = [*into.get("allOf", ()), *(self._schema(part, place) for part in value)]
            case "anyOf":
                into["anyOf"] = [self._schema(part, place) for part in value]
            case "oneOf":
                if not exclusive(value, self._references, closed=not place.merged):
                    self._unproven["oneOf"] = None
                branches = [self._schema(part, place) for part in value]
                if "anyOf" in node:
                    into["allOf"] = [*into.get("allOf", ()), {"anyOf": branches}]
                else:
                    into["anyOf"] = branches
            case "properties":
                into["properties"] = {name: self._schema(item, place.of_property(name)) for name, item in value.items()}
            case "patternProperties":
                beside = _MERGED if place.merged or "properties" in node else _ALONE
                into["patternProperties"] = {pattern: self._schema(item, beside) for pattern, item in value.items()}
            case "additionalProperties" | "items":
                into[keyword] = self._schema(value, _MERGED if place.merged else _ALONE)
            case "prefixItems":
                into[keyword] = [self._schema(item, _MERGED if place.merged else _ALONE) for item in value]
                if "items" not in node and not place.merged and node.get("minItems", 0) <= len(value):
                    into["items"] = False
            case "const" | "enum":
                refuse_inexact(keyword, value, self._parameter)
                into[keyword] = value
            case "minimum" | "exclusiveMinimum" | "maximum" | "exclusiveMaximum":
                into[keyword] = exact_bound(keyword, value, self._parameter)
            case _:
                into[keyword] = value

    def _reference(self, into: dict[str, Any], reference: str, place: _Place) -> None:
        target = self._references.resolve(reference)
        if isinstance(target, bool):
            into["allOf"] = [*into.get("allOf", ()), target]
            return
        key = (id(target), place)
        if key not in self._names:
            self._names[key] = f"d{len(self._names)}"
            self._pending.append((self._names[key], target, place))
        into["$ref"] = f"#/$defs/{self._names[key]}"

    def _drop_idle_counts(self, node: dict[str, Any], *, closed: bool) -> None:
        """Take out counts of properties that other keywords imply, or that no grammar has."""
        required = set(node.get("required", ()))
        listed = node.get("properties", {}).keys()
        if node.get("minProperties", 0) <= len(required):
            node.pop("minProperties", None)
        if closed and node.get("maxProperties", 0) >= len(listed):
            node.pop("maxProperties", None)
        least, most = node.get("minProperties", 0), node.get("maxProperties")
        if least > 1 and not closed:
            self._unproven["minProperties"] = None  # the grammar may repeat a name
        # Which of several optional properties there are, a grammar can only count up to one.
        if listed - required and not (closed and least <= 1 and most in (None, 1)):
            for keyword in ("minProperties", "maxProperties"):
                if node.pop(keyword, None) is not None:
                    self._unproven[keyword] = None

    # -- the properties of one value ----------------------------------------------------------------

    def _gather(self, node: dict[str, Any]) -> _Gathered:
        gathered = _Gathered()
        self._gather_into(gathered, node, _MAX_HOPS)
        return gathered

    def _gather_into(self, gathered: _Gathered, schema: Schema, hops: int) -> None:
        if isinstance(schema, bool) or not gathered.certain:
            return
        gathered.parts += 1
        if hops == 0 or gathered.parts > _MAX_PARTS or _names_others(schema):
            gathered.certain = False
            return
        gathered.least = max(gathered.least, schema.get("minProperties", 0))
        gathered.names.extend(schema.get("properties", ()))
        gathered.required.update(schema.get("required", ()))
        for keyword in ("allOf", "anyOf", "oneOf"):
            for part in schema.get(keyword, ()):
                self._gather_into(gathered, part, hops - 1)
        if "$ref" in schema:
            self._gather_into(gathered, self._references.resolve(schema["$ref"]), hops - 1)


def _names_others(schema: dict[str, Any]) -> bool:
    """Whether a schema speaks, or may speak, of properties that it does not list."""
    return not schema.keys().isdisjoint(OF_OTHERS)


def _lists_all(node: dict[str, Any], gathered: _Gathered) -> bool:
    """Whether an object will have no properties but the listed."""
    if "additionalProperties" in node:
        return node["additionalProperties"] is False and "patternProperties" not in node
    return gathered.complete and "properties" in node


def _parts(node: dict[str, Any]) -> int:
    """How many schemas are merged into one for the same value: the keywords beside each other, and each of allOf."""
    own = any(keyword in node for kind in ("object", "array") for keyword in OF_TYPE[kind])
    applied = sum(len(node["allOf"]) if keyword == "allOf" else 1 for keyword in IN_PLACE if keyword in node)
    return own + applied
