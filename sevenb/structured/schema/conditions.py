"""Keywords that grammars do not have, said with those they have; what cannot be said is named, to be checked."""

from collections.abc import Callable
from typing import Any

from sevenb.structured.schema.formats import format_pattern
from sevenb.structured.schema.negation import known_values, negate
from sevenb.structured.schema.references import References, Schema

Node = dict[str, Any]
_MAX_CASES = 6
"""Independent either-ors in one schema: each doubles the grammar."""


def without_conditions(node: Node, references: References) -> tuple[Node, list[str]]:
    """A schema object without not, if, dependencies, contains, propertyNames, uniqueItems and unevaluated*.

    The second value names the keywords of which the result does not hold everything: there it is the wider schema.
    """
    node = dict(node)
    lost: list[str] = []
    for keyword, step in _STEPS:
        if keyword in node and not step(node, references):
            lost.append(keyword)
    for keyword in ("then", "else", "minContains", "maxContains"):
        node.pop(keyword, None)
    return node, lost


def _and(node: Node, *schemas: Schema) -> None:
    if schemas:
        node["allOf"] = [*node.get("allOf", ()), *schemas]


def _not(node: Node, references: References) -> bool:
    excluded = node.pop("not")
    opposite = negate(excluded, node, references)
    if opposite is None:
        return False
    if isinstance(opposite, dict) and opposite.keys() == {"enum"} and "enum" in node:
        node["enum"] = opposite["enum"]
    else:
        _and(node, opposite)
    return True


def _if(node: Node, references: References) -> bool:
    condition, then, otherwise = node.pop("if"), node.pop("then", True), node.pop("else", True)
    if then is True and otherwise is True:
        return True
    opposite = negate(condition, node, references)
    # Without the exact opposite the branches overlap: likely enough to be right, and checked in the end.
    other: Schema = otherwise if opposite is None else _both(opposite, otherwise)
    if other is not True:
        _and(node, {"anyOf": [_both(condition, then), other]})
    return opposite is not None


def _both(one: Schema, other: Schema) -> Schema:
    if one is True or other is True:
        return other if one is True else one
    return {"allOf": [one, other]}


def _dependent_required(node: Node, references: References) -> bool:
    needs: dict[str, Schema] = {
        name: {"required": names} for name, names in node.pop("dependentRequired").items() if names
    }
    return _each_absent_or(node, needs)


def _dependent_schemas(node: Node, references: References) -> bool:
    return _each_absent_or(node, node.pop("dependentSchemas"))


def _each_absent_or(node: Node, needs: dict[str, Schema]) -> bool:
    if len(needs) > _MAX_CASES:
        return False
    _and(node, *({"anyOf": [{"properties": {name: False}}, schema]} for name, schema in needs.items()))
    return True


def _one_required(node: Node, references: References) -> bool:
    """Which one of several listed properties there is: said so that the branches exclude each other."""
    names = [branch["required"][0] for branch in node["oneOf"] if _requires_one(branch)]
    listed = node.get("type") == "object" and set(names) <= node.get("properties", {}).keys()
    if listed and len(set(names)) == len(node["oneOf"]):
        node["oneOf"] = [
            {"type": "object", "properties": {other: other == name for other in names}, "required": [name]}
            for name in names
        ]
    return True


def _requires_one(branch: Schema) -> bool:
    return isinstance(branch, dict) and branch.keys() == {"required"} and len(branch["required"]) == 1


def _unique_items(node: Node, references: References) -> bool:
    if not node.pop("uniqueItems") or node.get("maxItems", 2) <= 1:
        return True
    values = known_values(node.get("items", True), references) if "prefixItems" not in node else None
    if values is not None:
        node["maxItems"] = min(node.get("maxItems", len(values)), len(values))
    return bool(node.get("maxItems", 2) <= 1)


def _contains(node: Node, references: References) -> bool:
    wanted = node.pop("contains")
    least = int(node.get("minContains", 1))
    if least == 0 and "maxContains" not in node:
        return True
    node["minItems"] = max(node.get("minItems", 0), least)
    if "maxContains" in node or "prefixItems" in node or least != 1:
        return False
    # One item that is wanted comes first, which is one of the ways to contain it.
    node["prefixItems"] = [_both(wanted, node.get("items", True))]
    return True


def _property_names(node: Node, references: References) -> bool:
    names = node.pop("propertyNames")
    if names is True:
        return True
    if names is False:
        node["maxProperties"] = 0
        return True
    if "properties" in node or "patternProperties" in node or "required" in node:
        return False
    value = node.get("additionalProperties", True)
    listed = known_values(names, references)
    if listed is not None:
        node["properties"] = {name: value for name in listed.values() if isinstance(name, str)}
        node["additionalProperties"] = False
        return True
    for _ in range(8):
        if isinstance(names, dict) and "$ref" in names:
            names = references.resolve(names["$ref"])
    pattern = _text_pattern(names) if isinstance(names, dict) else None
    if pattern is None:
        return False
    node["patternProperties"] = {pattern: value}
    node["additionalProperties"] = False
    return True


def _text_pattern(schema: Node) -> str | None:
    """The regular expression that says all of a schema for strings, or None."""
    told = {key for key in schema if key not in ("type", "title", "description")}
    if told == {"pattern"}:
        return str(schema["pattern"])
    if told == {"format"}:
        return format_pattern(schema["format"])
    if told <= {"minLength", "maxLength"}:
        return rf"^[\s\S]{{{schema.get('minLength', 0)},{schema.get('maxLength', '')}}}$"
    return None


def _unevaluated_properties(node: Node, references: References) -> bool:
    allowed = node.pop("unevaluatedProperties")
    if allowed is True or "additionalProperties" in node:
        return True
    if node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        return False
    node["additionalProperties"] = allowed
    return True


def _unevaluated_items(node: Node, references: References) -> bool:
    allowed = node.pop("unevaluatedItems")
    if allowed is True or "items" in node:
        return True
    if node.keys() & {"$ref", "allOf", "anyOf", "oneOf"}:
        return False
    node["items"] = allowed
    return True


_STEPS: tuple[tuple[str, Callable[[Node, References], bool]], ...] = (
    ("propertyNames", _property_names),
    ("dependentRequired", _dependent_required),
    ("dependentSchemas", _dependent_schemas),
    ("if", _if),
    ("not", _not),
    ("oneOf", _one_required),
    ("uniqueItems", _unique_items),
    ("contains", _contains),
    ("unevaluatedProperties", _unevaluated_properties),
    ("unevaluatedItems", _unevaluated_items),
)
"""In this order; each takes its keyword out of the schema (oneOf stays), and says whether nothing is lost."""
