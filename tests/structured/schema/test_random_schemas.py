"""Schemas that nobody would write: whatever is accepted of them is obeyed all the same."""

import pytest

from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat
from tests.structured.schemas.random_schemas import random_schema
from tests.structured.validation import schema_error
from tests.structured.walks import END, Walker

_SEEDS = 600
_WALKS = 3


@pytest.mark.parametrize("first", range(0, _SEEDS, 100))
def test_random_schemas_are_obeyed_or_refused(bytewise: GrammarCompiler, first: int) -> None:
    walker = Walker([*(bytes([i]) for i in range(256)), b"<end>"], frozenset([END]), limit=400)
    accepted = 0
    for seed in range(first, first + 100):
        schema = random_schema(seed)
        try:
            constraint = OutputFormat.from_schema(schema, "schema").constraint()
        except InvalidRequest:
            continue
        accepted += 1
        matcher = bytewise.compile(constraint.grammar)
        for walk in range(_WALKS):
            answer = walker.walk(matcher.copy(), walk)
            if answer is None:
                continue
            error = schema_error(schema, answer.decode())
            if constraint.check is None:
                assert error is None, (seed, error)
            else:
                assert (constraint.check(answer.decode()) is None) == (error is None), (seed, error)
    assert accepted > 50
