"""Shapes other than JSON Schema, as grammars: any JSON object, a regular expression, a choice, Lark and GBNF."""

from collections.abc import Sequence


def lark_literal(text: str) -> str:
    """A text as a Lark string literal, quoted."""
    raise NotImplementedError


def json_object_rule() -> str:
    """The right-hand side of a Lark rule for any JSON object, spaced like `json.dumps`."""
    raise NotImplementedError


def regex_grammar(pattern: str, parameter: str) -> str:
    """The grammar of all texts that match the whole of a regular expression."""
    raise NotImplementedError


def choice_grammar(choices: Sequence[str], parameter: str) -> str:
    """The grammar of exactly these texts."""
    raise NotImplementedError


def text_grammar(source: str, parameter: str) -> str:
    """The grammar of a text in Lark's or llama.cpp's (GBNF) notation."""
    raise NotImplementedError


def serialise(lark: str) -> str:
    """A Lark source in the form that `Constraint.grammar` has."""
    raise NotImplementedError


def validate(grammar: str, parameter: str) -> None:
    """Raise `InvalidRequest`, which blames ``parameter``, if a serialised grammar is malformed or too large."""
    raise NotImplementedError
