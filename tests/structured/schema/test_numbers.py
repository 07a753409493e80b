"""Numbers that a double does not hold are kept as they are, or refused; none of them ends the process."""

import json
from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat

_COMPILER = GrammarCompiler([bytes([i]) for i in range(256)] + [b"<end>"], special=[256], end_ids=[256])


def _takes(schema: Any, text: str) -> bool:
    matcher = _COMPILER.compile(OutputFormat.from_schema(schema, "field").constraint().grammar)
    tokens = list(text.encode())
    if matcher.valid(tokens) < len(tokens):
        return False
    matcher.accept(tokens)
    return matcher.accepting


@pytest.mark.parametrize("number", [2**53 + 1, -(2**63), 2**63, -(10**30), 1e22])
@pytest.mark.parametrize("form", [lambda n: {"const": n}, lambda n: {"enum": [1, {"id": [n]}]}], ids=["const", "enum"])
def test_constant_that_would_be_written_as_another_number_is_refused(form: Any, number: float) -> None:
    with pytest.raises(InvalidRequest, match=r"'(const|enum)' holds the number"):
        OutputFormat.from_schema({"type": "object", "properties": {"a": form(number)}}, "field").constraint()


@pytest.mark.parametrize("number", [2**53 - 1, -(2**53) + 1, 0.1, -1.5, 1e-7])
def test_other_constants_are_written_as_they_are(number: float) -> None:
    matcher = _COMPILER.compile(OutputFormat.from_schema({"const": number}, "field").constraint().grammar)
    text = next(text for text in (repr(number), f"{number:.7f}") if matcher.valid(list(text.encode())) == len(text))
    assert json.loads(text) == number


@pytest.mark.parametrize("kind", ["integer", "number"])
@pytest.mark.parametrize("bound", [2**53 + 1, 2**60 + 1, 2**63 - 1, 2**64, 1e21])
def test_no_number_passes_a_large_bound(bound: float, kind: str) -> None:
    beyond = int(bound) + 1
    for schema in ({"maximum": bound}, {"exclusiveMaximum": bound}):
        assert _takes({"type": kind, **schema}, "9007199254740000")
        assert not _takes({"type": kind, **schema}, str(beyond))
    for schema in ({"minimum": -bound}, {"exclusiveMinimum": -bound}):
        assert _takes({"type": kind, **schema}, "-9007199254740000")
        assert not _takes({"type": kind, **schema}, str(-beyond))


def test_bound_that_leaves_only_larger_numbers_is_kept_or_refused() -> None:
    assert not _takes({"type": "integer", "minimum": 2**53 + 1}, str(2**53))
    assert _takes({"type": "integer", "minimum": 2**53 + 1}, "9007199254741000")
    with pytest.raises(InvalidRequest, match="'minimum' is"):
        _takes({"type": "integer", "minimum": 2**64}, str(2**64))


def test_formats_of_64_bits_hold() -> None:
    assert _takes({"type": "integer", "format": "int64"}, "1234567890123456789")
    assert not _takes({"type": "integer", "format": "int64"}, str(2**63))
    assert not _takes({"type": "integer", "format": "uint64"}, "-1")
