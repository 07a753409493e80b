"""How large a shape may be: what keeps a hostile one from taking seconds or gigabytes."""

from functools import cache
from typing import Any

from sevenb.errors import InvalidRequest

MAX_SOURCE_BYTES = 512 * 1024
"""Of a schema as JSON, of a list of choices."""
MAX_GRAMMAR_BYTES = 64 * 1024
"""Of a grammar's or a regular expression's source."""
MAX_GBNF_BYTES = 16 * 1024
MAX_GBNF_RULES = 400
"""Converting them to Lark takes the square of both."""
MAX_GRAMMAR_PARTS = 1500
"""Rules and brackets of a grammar."""
MAX_GRAMMAR_SCHEMAS = 32
MAX_DEPTH = 64
"""Of a schema's nesting: models write no deeper, and what compiles it recurses."""
MAX_VALUES = 50_000
"""Of everything in a schema: objects, lists, texts, numbers."""
MAX_EXPANDED = 12_000
"""Subschemas after references that must be merged with their surroundings are written out."""
MAX_DISTINCT = 2_000
"""Different property names, patterns and values in objects that are constant: compiling takes the square of them."""
MAX_CHAIN = 400
"""Subschemas that lead to each other, through references too: what compiles them recurses, in 8 MB of stack to 1800."""
MAX_RESOLVED = 100_000
"""References that are followed while one schema is read."""
MAX_REMAINDERS = 50_000
"""Of all multipleOf together: each takes a state, 300 bytes and some microseconds."""
MAX_BRANCHES = 256
"""Of one anyOf or oneOf."""
MAX_ENUM = 10_000
MAX_NESTED_ENUM = 256
"""Objects and lists in one enum."""
MAX_PATTERN_PROPERTIES = 32
MAX_REPEAT = 10_000
"""Of items or characters that a schema demands; where it merely allows more, this many are allowed."""


def measure(value: Any, parameter: str) -> None:
    """Raise `InvalidRequest` if a JSON value is too large or too deep to be a schema. Stops as soon as it is."""
    size = values = 0
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH * 2 + 1):
        below: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                size += sum(len(key) + 4 for key in item if isinstance(key, str))
                below.extend(item.values())
            elif isinstance(item, (list, tuple)):
                below.extend(item)
            else:
                size += len(item) if isinstance(item, str) else 8
        values += len(below)
        if values > MAX_VALUES or size > MAX_SOURCE_BYTES:
            raise InvalidRequest(
                f"The JSON Schema in {parameter} is too large; at most {MAX_SOURCE_BYTES // 1024} KB "
                f"and {MAX_VALUES} values are compiled.",
                parameter,
            )
        if not below:
            return
        level = below
    raise InvalidRequest(
        f"The JSON Schema in {parameter} is nested too deeply; at most {MAX_DEPTH} levels are compiled.", parameter
    )


@cache
def parser_limits() -> Any:
    """llguidance's own limits, on grammars and on each step through one; its errors stay short."""
    from llguidance import LLParserLimits

    return LLParserLimits(
        max_lexer_states=50_000,
        max_grammar_size=200_000,
        max_items_in_row=20_000,  # four for each optional property that may come next
        verbose_errors=False,
    )
