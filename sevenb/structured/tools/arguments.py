"""What may be the arguments of a tool: its schema, read as its author meant it."""

from collections.abc import Iterator, Mapping
from typing import Any

from sevenb.structured.lark import lark_literal
from sevenb.structured.limits import measure
from sevenb.structured.schema.json_schema import SchemaGrammar, compile_schema
from sevenb.structured.tools.tools import Tool, schema_field

# Where schemas are combined, to close one of them might contradict the other instead of narrowing it.
_COMBINING = frozenset(
    {"allOf", "oneOf", "not", "if", "dependentSchemas", "dependencies", "propertyNames", "contains"}
    | {"unevaluatedProperties", "$dynamicRef", "$recursiveRef"}
)
_ALTERNATIVES = frozenset({"anyOf", "$ref"})  # combined only with what stands beside them
_OF_OBJECTS = _ALTERNATIVES | {"properties", "patternProperties", "additionalProperties", "required"}
_SAYS_WHAT_ELSE = _ALTERNATIVES | {
    "additionalProperties",
    "patternProperties",
    "minProperties",
    "dependentRequired",
    "enum",
    "const",
}
_SCHEMAS = ("items", "prefixItems", "anyOf", "additionalProperties")  # keywords that hold a schema or several
_NAMED_SCHEMAS = ("properties", "patternProperties", "$defs", "definitions")
_NO_ARGUMENTS: dict[str, Any] = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
_OF_NO_ARGUMENTS = _NO_ARGUMENTS.keys() | {"title", "description", "$schema"}


def arguments_grammar(tool: Tool, index: int) -> SchemaGrammar:
    """The arguments of the tool at ``index`` of a request; raises `InvalidRequest` for a schema with no grammar.

    Objects that name their properties have no others unless the schema says so: valid in any case, and what is meant.
    """
    parameter = schema_field(tool, index)
    schema = {**tool.parameters, "type": "object"}
    measure(schema, parameter)
    says_nothing = all(schema.get(key, nothing) == nothing for key, nothing in _NO_ARGUMENTS.items())
    if says_nothing and schema.keys() <= _OF_NO_ARGUMENTS:
        return SchemaGrammar(lark_literal("{}"))
    return compile_schema(schema if _combines(schema) else _closed(schema), parameter)


def _combines(schema: Any) -> bool:
    if not isinstance(schema, Mapping):
        return False
    here = not _COMBINING.isdisjoint(schema) or (
        not _ALTERNATIVES.isdisjoint(schema) and len(_OF_OBJECTS & schema.keys()) > 1
    )
    return here or any(map(_combines, _subschemas(schema)))


def _subschemas(schema: Mapping[str, Any]) -> Iterator[Any]:
    for key in _SCHEMAS:
        inner = schema.get(key)
        yield from inner if isinstance(inner, list) else [inner]
    for key in _NAMED_SCHEMAS:
        inner = schema.get(key)
        yield from inner.values() if isinstance(inner, Mapping) else ()


def _closed(schema: Any) -> Any:
    """The schema with additionalProperties false wherever properties are listed and nothing is said of others."""
    if not isinstance(schema, Mapping):
        return schema
    closed = dict(schema)
    for key in schema.keys() & set(_SCHEMAS):
        inner = schema[key]
        closed[key] = list(map(_closed, inner)) if isinstance(inner, list) else _closed(inner)
    for key in schema.keys() & set(_NAMED_SCHEMAS):
        if isinstance(inner := schema[key], Mapping):
            closed[key] = {name: _closed(subschema) for name, subschema in inner.items()}
    if _SAYS_WHAT_ELSE.isdisjoint(schema) and _lists_all_it_requires(schema):
        closed["additionalProperties"] = False
    return closed


def _lists_all_it_requires(schema: Mapping[str, Any]) -> bool:
    properties, required = schema.get("properties"), schema.get("required", [])
    return (
        isinstance(properties, Mapping)
        and isinstance(required, list)
        and all(isinstance(name, str) and name in properties for name in required)
    )
