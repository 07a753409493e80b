"""The check of a finished answer against its JSON Schema, for what a grammar cannot hold."""

import json
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation, localcontext
from functools import cache
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.lark import lark_of_schema, serialise
from sevenb.structured.schema.keywords import subschemas
from sevenb.structured.schema.modern import refusal
from sevenb.structured.schema.patterns import automaton_pattern
from sevenb.structured.schema.references import References, Schema, objects_in

_MAX_ERROR = 300
_MAX_STEPS = 100_000
"""Keywords that one check looks at: with conditions on conditions there could be any number."""
_MAX_DIGITS = 1000
"""Of numbers that are divided exactly, by ``multipleOf``."""


def schema_check(schema: Schema, unproven: tuple[str, ...], parameter: str) -> Callable[[str], str | None]:
    """A function that says what is wrong with a JSON text, None if nothing is.

    Raises `InvalidRequest` for a schema that cannot be checked either.
    """
    for part in objects_in(schema):
        patterns = part.get("patternProperties")
        if isinstance(patterns, dict) and "unevaluatedProperties" in unproven:
            raise refusal("unevaluatedProperties", "cannot be checked together with 'patternProperties'", parameter)
        for pattern in [part.get("pattern"), *(patterns if isinstance(patterns, dict) else ())]:
            if isinstance(pattern, str):
                _refuse_unknown(pattern, parameter)
    exact = json.loads(json.dumps(schema), parse_float=_exact)

    def first_error(text: str) -> Any:
        value = json.loads(text, parse_float=_exact)
        with localcontext(prec=_MAX_DIGITS):
            return next(_validator(exact).iter_errors(value), None)

    # A stranger's schema makes jsonschema run into whatever it likes: that is never proof, and best met at the start.
    def check(text: str) -> str | None:
        try:
            error = first_error(text)
        except Exception as failure:
            return f"{unproven[0]!r} cannot be checked ({str(failure)[:_MAX_ERROR]})"
        if error is None:
            return None
        where = "".join(f"[{step!r}]" for step in error.absolute_path)
        return f"{error.validator!r} does not hold{f' at {where}' if where else ''}: {error.message[:_MAX_ERROR]}"

    try:
        _refuse_ambiguous(exact, parameter)
        for sample in _SAMPLES:
            first_error(sample)
    except InvalidRequest:
        raise
    except Exception as failure:
        raise refusal(unproven[0], "cannot be checked with the rest of this schema", parameter) from failure
    return check


_SAMPLES = ("null", "0", '""', "[0]", '{"": 0}')
"""Values that show whether a schema can be checked at all."""


def _exact(number: str) -> Decimal | float:
    """A decimal fraction as it is written: of floats, 0.07 is no multiple of 0.01."""
    try:
        return Decimal(number)
    except InvalidOperation:
        return float(number)  # with an exponent of twenty digits, infinite or nothing


def _refuse_ambiguous(schema: Schema, parameter: str) -> None:
    """Raise `InvalidRequest` where a ``$ref`` leads the check elsewhere than the grammar, as in a nested ``$id``."""
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import EMPTY_REGISTRY, specification_with

    specification = specification_with(_draft(schema).META_SCHEMA["$schema"])
    references = References(schema, parameter)
    rest = [(schema, EMPTY_REGISTRY.resolver_with_root(specification.create_resource(schema)))]
    seen: set[int] = set()
    while rest:
        part, resolver = rest.pop()
        if id(part) in seen or isinstance(part, bool):
            continue
        seen.add(id(part))
        for keyword, value in part.items():
            for inner in subschemas(keyword, value):
                rest.append((inner, resolver.in_subresource(specification.create_resource(inner))))
        if "$ref" in part:
            try:
                found = resolver.lookup(part["$ref"])
            except Unresolvable:
                found = None
            if found is None or found.contents is not references.resolve(part["$ref"]):
                problem = f"({part['$ref'][:200]}) is relative to the nearest '$id', and leads elsewhere from there"
                raise refusal("$ref", problem, parameter)
            rest.append((found.contents, found.resolver))


def _draft(schema: Schema) -> Any:
    """The validator class of the draft that a schema names, or whose language it speaks."""
    import jsonschema
    from jsonschema import validators

    unnamed = jsonschema.Draft7Validator if _is_old(schema) else jsonschema.Draft202012Validator
    return validators.validator_for(schema, default=unnamed)


def _validator(schema: Schema) -> Any:
    """A validator for one value, which fetches nothing."""
    from jsonschema import validators
    from referencing.jsonschema import EMPTY_REGISTRY

    named = _draft(schema)
    extend: Any = validators.extend
    left = iter(range(_MAX_STEPS))

    def counted(keyword: Callable[..., Any]) -> Callable[..., Iterator[Any]]:
        def step(*arguments: Any) -> Iterator[Any]:
            if next(left, None) is None:
                raise RecursionError("that takes too long")
            yield from keyword(*arguments) or ()

        return step

    keywords = {name: counted(function) for name, function in {**named.VALIDATORS, **_WITH_PATTERNS}.items()}
    return extend(named, keywords, type_checker=named.TYPE_CHECKER.redefine("integer", _is_integer))(
        schema, registry=EMPTY_REGISTRY
    )


def _is_integer(checker: Any, value: Any) -> bool:
    """Whether a value is a whole number, 3.0 included."""
    if isinstance(value, Decimal):
        return value == value.to_integral_value()
    return isinstance(value, int) and not isinstance(value, bool)


def _is_old(schema: Schema) -> bool:
    """Whether a schema that names no draft speaks an older one's language."""
    return any(
        "dependencies" in part or "additionalItems" in part or isinstance(part.get("items"), list)
        for part in objects_in(schema)
    )


# -- regular expressions: by the grammar's own automaton, in linear time, where Python's could take exponential ------


@cache
def _bytewise() -> GrammarCompiler:
    return GrammarCompiler([bytes([i]) for i in range(256)] + [b"<end>"], special=[256], end_ids=[256])


def _refuse_unknown(pattern: str, parameter: str) -> None:
    try:
        _found(pattern, "")
    except InvalidRequest as error:
        raise refusal("pattern", f"is not possible here ({pattern[:200]})", parameter) from error


def _found(pattern: str, text: str) -> bool:
    """Whether a regular expression finds something in a text."""
    grammar = serialise(f"start: {lark_of_schema({'type': 'string', 'pattern': automaton_pattern(pattern)})}")
    matcher = _bytewise().compile(grammar)
    quoted = list(json.dumps(text, ensure_ascii=False).encode(errors="replace"))
    if matcher.valid(quoted) < len(quoted):
        return False
    matcher.accept(quoted)
    return matcher.accepting


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if validator.is_type(instance, "string") and not _found(pattern, instance):
        yield ValidationError(f"{instance[:100]!r} does not match {pattern!r}")


def _pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for pattern, item in patterns.items():
            for name in [name for name in instance if _found(pattern, name)]:
                yield from validator.descend(instance[name], item, path=name, schema_path=pattern)


def _additional_properties(validator: Any, others: Any, instance: Any, schema: Any) -> Iterator[Any]:
    if validator.is_type(instance, "object"):
        for name in instance:
            listed = name in schema.get("properties", ())
            if not listed and not any(_found(pattern, name) for pattern in schema.get("patternProperties", ())):
                yield from validator.descend(instance[name], others, path=name)


_WITH_PATTERNS = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}
