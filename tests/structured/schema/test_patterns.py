"""Regular expressions as JSON Schema and Python read them, not as Rust does."""

import re

import pytest

from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.schema.patterns import automaton_pattern
from tests.structured.walks import accepts


@pytest.mark.filterwarnings("ignore:Possible")  # what Python says of just these classes
@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (r"[[a]]", ["a]", "[]", "a", "[a]"]),
        (r"[a-c&&b]+", ["a", "b", "&", "a&b", "d"]),
        (r"[~a~~b]+", ["~", "a", "b", "ab~", "c"]),
        (r"[[:alpha:]]", ["a]", ":]", "z", "p]"]),
        (r"[^[]+", ["a", "[", "]"]),
        (r"[\]\[]+", ["[]", "a", "\\"]),
        (r"[\^a-]+", ["^", "a-", "b"]),
        (r"\[a\]", ["[a]", "a"]),
        (r"a\/b", ["a/b", "ab"]),
        (r"(a|b){2,3}?", ["ab", "a", "aba", "abab"]),
        (r"\d+\w\s?", ["1a", "12_ ", "a"]),
    ],
)
def test_texts_match_as_they_do_in_python(bytewise: GrammarCompiler, pattern: str, texts: list[str]) -> None:
    grammar = bytewise.compile(OutputFormat("regex", pattern, "regex").constraint().grammar)
    schema = {"type": "string", "pattern": f"^(?:{pattern})$"}
    quoted = bytewise.compile(OutputFormat.from_schema(schema, "schema").constraint().grammar)
    for text in texts:
        matches = re.fullmatch(pattern, text) is not None
        assert accepts(grammar, text) == matches, text
        escaped = text.replace("\\", "\\\\")
        assert accepts(quoted, f'"{escaped}"') == matches, text


def test_what_has_the_same_reading_stays_as_it_is() -> None:
    for pattern in (r"^[a-z]+$", r"(?:a|b)*\.\d{2,}", r"[^\s@]+@[\w.-]+", r"\\[", r"[\[\]]"):
        assert automaton_pattern(pattern) == pattern
        assert automaton_pattern(automaton_pattern("[[a]]")) == automaton_pattern("[[a]]")


def test_ecmas_notation_for_any_character_and_for_pairs() -> None:
    assert automaton_pattern("^[^]*$") == r"^[\s\S]*$"
    assert automaton_pattern(r"[\uD83D\uDE00-\uD83D\uDE4F]") == r"[\u{1F600}-\u{1F64F}]"
