"""JSON Schema to a grammar that is exact, or a refusal that names the keyword."""

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.lark import lark_of_schema, problem_of, serialise
from sevenb.structured.limits import measure
from sevenb.structured.schema.check import schema_check
from sevenb.structured.schema.keywords import is_constraint
from sevenb.structured.schema.recursion import without_endless
from sevenb.structured.schema.references import Schema
from sevenb.structured.schema.rewrite import rewrite
from sevenb.structured.schema.size import refuse_explosion

_CACHED_SCHEMAS = 64


@dataclass(frozen=True)
class SchemaGrammar:
    """A JSON Schema ready to be used in a grammar.

    ``rule`` is the right-hand side of a Lark rule (``%json {…}``), to be composed with others; ``check`` says what is
    wrong with a finished JSON text, None where ``rule`` alone is proof. ``unproven`` are the keywords that only
    ``check`` holds wholly.
    """

    rule: str
    check: Callable[[str], str | None] | None = None
    unproven: tuple[str, ...] = ()


def compile_schema(schema: Any, parameter: str) -> SchemaGrammar:
    """Prove that a schema can be enforced; cached.

    Raises `InvalidRequest` that blames ``parameter`` and names the keyword or limit, in bounded time and memory.
    """
    if not isinstance(schema, (dict, bool)):
        raise InvalidRequest(f"The JSON Schema in {parameter} must be an object.", parameter)
    measure(schema, parameter)
    try:
        key = json.dumps(schema, allow_nan=False)
        key.encode()
    except (ValueError, TypeError) as error:
        raise InvalidRequest(f"The JSON Schema in {parameter} is not JSON: {error}.", parameter) from error
    known = _cache.get(key)
    if known is None:
        known = _compile(schema, parameter)
        _cache.put(key, known)
    return known


def _compile(schema: Schema, parameter: str) -> SchemaGrammar:
    rewritten = rewrite(schema, parameter)
    plain = rewritten.schema
    if isinstance(plain, bool):
        if not plain:
            raise InvalidRequest(f"No value satisfies the JSON Schema in {parameter}; it is false.", parameter)
        plain = {}
    refuse_explosion(plain, parameter)
    plain = without_endless(plain, parameter)
    rule = lark_of_schema(plain)
    problem = problem_of(serialise(f"start: {rule}"))
    if problem is not None:
        raise _explain(problem, schema, parameter)
    check = schema_check(schema, rewritten.unproven, parameter) if rewritten.unproven else None
    return SchemaGrammar(rule, check, rewritten.unproven)


# What llguidance says of a schema it does not take, and the keyword it means. The first that fits counts.
_MEANING = (
    ("patternProperty", "patternProperties"),
    ("properties only supported", "minProperties"),
    ("minProperties", "minProperties"),
    ("maxProperties", "maxProperties"),
    ("multiple", "multipleOf"),
    ("Multiple", "multipleOf"),
    ("minLength", "minLength"),
    ("minItems", "minItems"),
    ("prefixItems", "prefixItems"),
    ("required", "required"),
    ("Definition not found", "$ref"),
    ("(Literal", "const"),
    ("incompatible types", "type"),
    ("regex for", "minimum"),  # of a range
    ("regex", "pattern"),
    ("Regex", "pattern"),
    ("interval", "exclusiveMinimum"),
    ("minimum", "minimum"),
    ("range", "minimum"),
    ("stack level", "allOf"),
)
_IMPOSSIBLE = "Unsatisfiable schema: "


def _explain(problem: str, schema: Schema, parameter: str) -> InvalidRequest:
    keyword = next((keyword for sign, keyword in _MEANING if sign in problem), None)
    if keyword == "pattern" and '"pattern":' not in json.dumps(schema):
        keyword = "patternProperties"
    if keyword is None and isinstance(schema, dict):
        keyword = next((name for name in schema if is_constraint(name) and name != "type"), None)
    named = f"{keyword!r}: " if keyword is not None else ""
    if _IMPOSSIBLE in problem:
        problem = problem.replace(_IMPOSSIBLE, "")
        return InvalidRequest(f"No value satisfies the JSON Schema in {parameter} ({named}{problem}).", parameter)
    return InvalidRequest(f"The JSON Schema in {parameter} cannot be enforced ({named}{problem}).", parameter)


class _Cache:
    """The schemas compiled last. Thread-safe."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, SchemaGrammar] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> SchemaGrammar | None:
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
            return known

    def put(self, key: str, grammar: SchemaGrammar) -> None:
        with self._lock:
            self._known[key] = grammar
            while len(self._known) > _CACHED_SCHEMAS:
                self._known.popitem(last=False)


_cache = _Cache()
