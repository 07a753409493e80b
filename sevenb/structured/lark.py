"""Pieces of Lark, the notation of llguidance's grammars: texts, JSON Schemas, the serialised whole and its faults."""

import json
import re
from typing import Any

from sevenb.errors import InvalidRequest
from sevenb.structured.limits import parser_limits

# The spacing of json.dumps, which models were trained on. Without \u escapes every name has one spelling only, and no
# half of a surrogate pair is written.
_JSON_STYLE = {
    "whitespace_flexible": False,
    "item_separator": ", ",
    "key_separator": ": ",
    "json_allowed_escapes": 'nrbtf\\"',
}


def lark_literal(text: str) -> str:
    """A text as a Lark string literal, quoted."""
    return json.dumps(text, ensure_ascii=False)


def lark_of_schema(schema: dict[str, Any]) -> str:
    """The right-hand side of a Lark rule for a JSON Schema that uses only the keywords llguidance has."""
    return f"%json {json.dumps({'x-guidance': _JSON_STYLE, **schema})}"


def json_object_rule() -> str:
    """The right-hand side of a Lark rule for any JSON object, spaced like `json.dumps`."""
    return lark_of_schema({"type": "object"})


def serialise(lark: str) -> str:
    """A Lark source in the form that `Constraint.grammar` has."""
    return json.dumps({"grammars": [{"lark_grammar": lark}]}, ensure_ascii=False)


def validate(grammar: str, parameter: str, what: str = "grammar") -> None:
    """Raise `InvalidRequest`, which blames ``parameter``, if a serialised grammar is malformed or too large."""
    problem = problem_of(grammar)
    if problem is not None:
        raise InvalidRequest(f"The {what} in {parameter} cannot be used: {problem}.", parameter)


def problem_of(grammar: str) -> str | None:
    """What llguidance has against a serialised grammar, in one line; None if nothing."""
    from llguidance import LLMatcher

    problem = str(LLMatcher.validate_grammar(grammar, None, limits=parser_limits())).strip()
    if not problem or problem.startswith("WARNING"):
        return None
    told = re.sub(r"^at \d+\(\d+\): (failed to compile JSON schema: )?", "", problem)
    told = re.split(r"\n\s*\d+ \|", told)[0]  # what follows shows the place in a source that is not the user's
    return " ".join(told.split())[:500]
