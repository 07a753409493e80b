"""One JSON Schema object as draft 2020-12 would write it, whatever its draft, and only what constrains values."""

import re
from collections.abc import Iterator
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.limits import MAX_BRANCHES, MAX_ENUM, MAX_NESTED_ENUM, MAX_PATTERN_PROPERTIES, MAX_REPEAT
from sevenb.structured.schema.formats import INTEGER_FORMATS, format_pattern
from sevenb.structured.schema.keywords import OF_TYPE, REFUSED, is_constraint, malformed, subschemas
from sevenb.structured.schema.patterns import automaton_pattern
from sevenb.structured.schema.references import References, Schema

_MOST = {
    "enum": (MAX_ENUM, "values"),
    "anyOf": (MAX_BRANCHES, "branches"),
    "oneOf": (MAX_BRANCHES, "branches"),
    "allOf": (MAX_BRANCHES, "branches"),
    "patternProperties": (MAX_PATTERN_PROPERTIES, "patterns"),
}


def modernise(schema: dict[str, Any], parameter: str) -> dict[str, Any]:
    """The constraints of one well-formed schema object, not of its subschemas, in their order.

    Annotations and keywords nobody knows are gone; older drafts' spellings, formats and needlessly large numbers are
    replaced. Raises `InvalidRequest` for a number that is too large.
    """
    modern = {keyword: value for keyword, value in schema.items() if is_constraint(keyword)}
    _replace_dependencies(modern)
    _replace_tuples(modern)
    _replace_exclusive_flags(modern)
    _replace_patterns(modern)
    _replace_format(modern)
    _bound_repeats(modern, parameter)
    return modern


def refuse_malformed(root: Schema, references: References, parameter: str) -> None:
    """Raise `InvalidRequest`, which names the keyword, if a schema that takes part anywhere is not well-formed."""
    seen: dict[int, Schema] = {}
    rest = [root]
    while rest:
        schema = rest.pop()
        if isinstance(schema, bool) or id(schema) in seen:
            continue
        seen[id(schema)] = schema
        for keyword, value in schema.items():
            wanted = malformed(keyword, value)
            if wanted is not None:
                message = f"The JSON Schema in {parameter} is invalid: {keyword!r} must be {wanted}."
                raise InvalidRequest(message, parameter)
            if keyword in REFUSED:
                raise refusal(keyword, "cannot be guaranteed; remove it", parameter)
            most, of_what = _MOST.get(keyword, (None, ""))
            if most is not None and len(value) > most:
                raise refusal(keyword, f"has {len(value)} {of_what}; at most {most} are compiled", parameter)
            if keyword == "enum" and sum(isinstance(item, (dict, list)) for item in value) > MAX_NESTED_ENUM:
                raise refusal("enum", f"has more than {MAX_NESTED_ENUM} objects and lists", parameter)
            if _UNWRITABLE.search(_spelt_out(keyword, value)):
                raise refusal(keyword, "has control characters, which are not written", parameter)
            rest.extend(subschemas(keyword, value))
        if "$ref" in schema:
            rest.append(references.resolve(schema["$ref"]))
    _refuse_loops(seen, references, parameter)


def _refuse_loops(schemas: dict[int, Schema], references: References, parameter: str) -> None:
    """A schema may hold itself for a value inside the value, not for the value itself: whoever checks it never ends."""
    done: set[int] = set()
    for start in schemas.values():
        if id(start) in done:
            continue
        path: list[tuple[int, Iterator[Schema]]] = [(id(start), _of_same_value(start, references))]
        entered = {id(start)}
        while path:
            here, parts = path[-1]
            part = next(parts, None)
            if part is None:
                done.add(here)
                entered.discard(here)
                path.pop()
            elif id(part) in entered:
                raise refusal("$ref", "leads back to itself with nothing between", parameter)
            elif isinstance(part, dict) and id(part) not in done:
                entered.add(id(part))
                path.append((id(part), _of_same_value(part, references)))


def _of_same_value(schema: Schema, references: References) -> Iterator[Schema]:
    if isinstance(schema, bool):
        return
    for keyword in ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"):
        if keyword in schema:
            yield from subschemas(keyword, schema[keyword])
    if "$ref" in schema:
        yield references.resolve(schema["$ref"])


# Only as \\u escapes could JSON have these, which are left out.
_UNWRITABLE = re.compile(r"[\x00-\x07\x0b\x0e-\x1f\x7f]")


def _spelt_out(keyword: str, value: Any) -> str:
    """All texts that answers will hold as they are: names of properties and constants, in one."""
    if keyword == "properties":
        return "".join(value)
    if keyword not in ("const", "enum"):
        return ""
    texts: list[str] = []
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            texts.append(item)
        elif isinstance(item, dict):
            texts.extend(item)
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
    return "".join(texts)


def refusal(keyword: str, problem: str, parameter: str) -> InvalidRequest:
    """The error for a schema that cannot be enforced because of one keyword."""
    return InvalidRequest(f"The JSON Schema in {parameter} cannot be enforced: {keyword!r} {problem}.", parameter)


def _replace_dependencies(schema: dict[str, Any]) -> None:
    for name, needed in schema.pop("dependencies", {}).items():
        keyword = "dependentRequired" if isinstance(needed, list) else "dependentSchemas"
        schema[keyword] = {**schema.get(keyword, {}), name: needed}


def _replace_tuples(schema: dict[str, Any]) -> None:
    rest = schema.pop("additionalItems", None)
    if isinstance(schema.get("items"), list):
        prefix = schema.pop("items")
        if prefix:
            schema["prefixItems"] = prefix
        if rest is not None:
            schema["items"] = rest


def _replace_exclusive_flags(schema: dict[str, Any]) -> None:
    for exclusive, inclusive in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(flag := schema.get(exclusive), bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)


def _replace_patterns(schema: dict[str, Any]) -> None:
    if "pattern" in schema:
        schema["pattern"] = automaton_pattern(schema["pattern"])
    if "patternProperties" in schema:
        listed = schema["patternProperties"].items()
        schema["patternProperties"] = {automaton_pattern(pattern): item for pattern, item in listed}


def _replace_format(schema: dict[str, Any]) -> None:
    name = schema.pop("format", None)
    if name is None:
        return
    if name in INTEGER_FORMATS and schema.get("type") == "integer":
        least, most = INTEGER_FORMATS[name]
        schema["minimum"] = max(least, schema.get("minimum", least))
        schema["maximum"] = min(most, schema.get("maximum", most))
    elif (pattern := format_pattern(name)) is not None:
        if "pattern" in schema:
            schema["allOf"] = [*schema.get("allOf", ()), {"pattern": pattern}]
        else:
            schema["pattern"] = pattern


def _bound_repeats(schema: dict[str, Any], parameter: str) -> None:
    for keyword in ("minItems", "minLength", "minProperties", "maxItems", "maxLength", "maxProperties"):
        if keyword not in schema:
            continue
        if keyword.startswith("min") and schema[keyword] > MAX_REPEAT:
            raise refusal(keyword, f"is {schema[keyword]}; at most {MAX_REPEAT} can be demanded", parameter)
        schema[keyword] = min(int(schema[keyword]), MAX_REPEAT)


def only_type(schema: dict[str, Any]) -> str | None:
    """The one type that all of a schema's keywords speak of, where it names none itself; None if there is no such."""
    spoken_of = {kind for kind, keywords in OF_TYPE.items() if any(keyword in schema for keyword in keywords)}
    return spoken_of.pop() if len(spoken_of) == 1 and not {"enum", "const"} & schema.keys() else None
