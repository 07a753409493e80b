"""The check of a finished answer against its JSON Schema, for what a grammar cannot hold."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from sevenb.structured.schema_modern import refusal
from sevenb.structured.schema_references import Schema

_MAX_ERROR = 300


def schema_check(schema: Schema, unproven: tuple[str, ...], parameter: str) -> Callable[[str], str | None]:
    """A function that says what is wrong with a JSON text, None if nothing is.

    Regular expressions are left to the grammar: Python's can take exponential time. Where that is not possible because
    their outcome decides about another keyword, `InvalidRequest` names it.
    """
    for part in _objects(schema):
        if "patternProperties" in part:
            raise refusal(
                "patternProperties", f"cannot be checked together with {', '.join(map(repr, unproven))}", parameter
            )
    exact = json.loads(json.dumps(schema), parse_float=Decimal)

    def check(text: str) -> str | None:
        try:
            value = json.loads(text, parse_float=Decimal)
            error = next(_validator(exact).iter_errors(value), None)
        except (ValueError, RecursionError) as failure:
            return f"not JSON ({failure})"
        if error is None:
            return None
        where = "".join(f"[{step!r}]" for step in error.absolute_path)
        return f"{error.validator!r} does not hold{f' at {where}' if where else ''}: {error.message[:_MAX_ERROR]}"

    return check


def _validator(schema: Schema) -> Any:
    import jsonschema
    from jsonschema import validators

    def matches(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
        return iter(())

    unnamed = jsonschema.Draft7Validator if _is_old(schema) else jsonschema.Draft202012Validator
    named = validators.validator_for(schema, default=unnamed)
    extend: Any = validators.extend
    return extend(named, {"pattern": matches})(schema)


def _is_old(schema: Schema) -> bool:
    """Whether a schema that names no draft speaks an older one's language."""
    return any(
        "dependencies" in part or "additionalItems" in part or isinstance(part.get("items"), list)
        for part in _objects(schema)
    )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, dict):
            yield item
            rest.extend(item.values())
        elif isinstance(item, list):
            rest.extend(item)
