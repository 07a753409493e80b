"""How large a shape may be: what keeps a hostile one from taking a second or a gigabyte."""

from functools import cache
from typing import Any

MAX_SOURCE_BYTES = 256 * 1024
"""Of a schema as JSON, a regular expression, a list of choices or a grammar's source."""


@cache
def parser_limits() -> Any:
    """llguidance's own limits, on grammars and on each step through one; errors stay short."""
    from llguidance import LLParserLimits

    return LLParserLimits(max_lexer_states=50_000, max_grammar_size=200_000, verbose_errors=False)
