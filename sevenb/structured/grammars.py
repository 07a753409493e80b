"""Shapes as grammars: a regular expression, a choice, Lark's notation and llama.cpp's GBNF."""

import json
import re
from collections.abc import Sequence

from sevenb.errors import InvalidRequest
from sevenb.structured.lark import lark_literal, serialise, validate
from sevenb.structured.limits import (
    MAX_ENUM,
    MAX_GBNF_BYTES,
    MAX_GBNF_RULES,
    MAX_GRAMMAR_BYTES,
    MAX_GRAMMAR_PARTS,
    MAX_GRAMMAR_SCHEMAS,
    MAX_SOURCE_BYTES,
)
from sevenb.structured.schema.json_schema import compile_schema
from sevenb.structured.schema.patterns import automaton_pattern


def regex_grammar(pattern: str, parameter: str) -> str:
    """The grammar of all texts that match the whole of a regular expression.

    The notation is that of Rust's regex crate, which is Python's without look-around and back references; ``\\d``,
    ``\\w`` and ``\\s`` mean ASCII. Raises `InvalidRequest`.
    """
    from llguidance import regex_to_lark

    _refuse_long(pattern, "regular expression", parameter)
    grammar = serialise(f"start: /{regex_to_lark(automaton_pattern(_unanchored(pattern)), 'dws')}/")
    validate(grammar, parameter, "regular expression")
    return grammar


def _unanchored(pattern: str) -> str:
    """Without the anchors at its ends, which matching the whole implies."""
    body = pattern.removeprefix("^")
    if body.endswith("$"):
        escapes = len(body[:-1]) - len(body[:-1].rstrip("\\"))
        body = body if escapes % 2 else body[:-1]
    return f"(?:{body})"


def choice_grammar(choices: Sequence[str], parameter: str) -> str:
    """The grammar of exactly these texts. Raises `InvalidRequest`."""
    if not isinstance(choices, (list, tuple)) or not choices or not all(isinstance(text, str) for text in choices):
        raise InvalidRequest(f"{parameter} must be a list of at least one text.", parameter)
    if len(choices) > MAX_ENUM or sum(map(len, choices)) > MAX_SOURCE_BYTES:
        raise InvalidRequest(
            f"{parameter} is too long; at most {MAX_ENUM} choices and {MAX_SOURCE_BYTES // 1024} KB are compiled.",
            parameter,
        )
    texts = list(dict.fromkeys(filter(None, choices)))
    one = f"CHOICE: {' | '.join(map(lark_literal, texts))}"
    start = "CHOICE?" if "" in choices else "CHOICE"
    grammar = serialise(f"start: {start}\n{one}" if texts else 'start: ""')
    validate(grammar, parameter, "choice")
    return grammar


def text_grammar(source: str, parameter: str) -> str:
    """The grammar of a text in Lark's or llama.cpp's (GBNF) notation. Raises `InvalidRequest`.

    JSON Schemas inside (``%json``) are compiled like those of `json_schema`, and must be provable.
    """
    _refuse_long(source, "grammar", parameter)
    lark = _lark_of_gbnf(source, parameter) if re.search(r"^[ \t]*[\w-]+\s*::=", source, re.MULTILINE) else source
    _refuse_nested(lark, parameter)
    grammar = serialise(_with_schemas(lark, parameter))
    validate(grammar, parameter)
    return grammar


def _lark_of_gbnf(source: str, parameter: str) -> str:
    from llguidance.gbnf_to_lark import gbnf_to_lark

    if source.count("::=") > MAX_GBNF_RULES or len(source) > MAX_GBNF_BYTES:
        raise InvalidRequest(
            f"The GBNF grammar in {parameter} is too large; at most {MAX_GBNF_RULES} rules and "
            f"{MAX_GBNF_BYTES // 1024} KB are converted. Lark grammars may be larger.",
            parameter,
        )
    try:
        return str(gbnf_to_lark(_UNICODE_ESCAPE.sub(_spelt_out, source)))
    except Exception as error:  # the converter raises whatever its parsing runs into
        raise InvalidRequest(f"The GBNF grammar in {parameter} is malformed: {error}.", parameter) from error


# Any escape, so that a backslash that is escaped itself begins none.
_UNICODE_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|.)", re.DOTALL)


def _spelt_out(escape: re.Match[str]) -> str:
    """llama.cpp's escapes for characters, which the converter does not know, as those characters."""
    code = int(escape[1] or escape[2] or "0", 16)
    if 0xD800 <= code < 0xE000 or code > 0x10FFFF or not code:
        return escape[0]
    return chr(code) if code > 0x7F else f"\\x{code:02x}"


def _refuse_nested(lark: str, parameter: str) -> None:
    """What compiles a grammar recurses from rule to rule and from bracket to bracket."""
    rules = len(re.findall(r"^[ \t]*[?!]?\w[^:\n]*:", lark, re.MULTILINE))
    if rules + lark.count("(") + lark.count("[") > MAX_GRAMMAR_PARTS or lark.count("%json") > MAX_GRAMMAR_SCHEMAS:
        raise InvalidRequest(
            f"The grammar in {parameter} is too large; at most {MAX_GRAMMAR_PARTS} rules and brackets and "
            f"{MAX_GRAMMAR_SCHEMAS} schemas are compiled.",
            parameter,
        )


def _with_schemas(lark: str, parameter: str) -> str:
    """The source with every ``%json`` schema in it compiled."""
    done: list[str] = []
    at = 0
    for found in re.finditer(r"%json\s*(?=\{)", lark):
        if found.start() < at:
            continue
        try:
            schema, end = json.JSONDecoder().raw_decode(lark, found.end())
        except (ValueError, RecursionError) as error:
            raise InvalidRequest(
                f"The grammar in {parameter} has a %json that is not JSON: {error}.", parameter
            ) from error
        compiled = compile_schema(schema, parameter)
        if compiled.check is not None:
            raise InvalidRequest(
                f"The grammar in {parameter} has a %json whose {compiled.unproven[0]!r} cannot be enforced.", parameter
            )
        done += [lark[at : found.start()], compiled.rule]
        at = end
    return "".join(done) + lark[at:]


def _refuse_long(source: str, what: str, parameter: str) -> None:
    if not isinstance(source, str) or not source.strip():
        raise InvalidRequest(f"{parameter} must be a text that holds a {what}.", parameter)
    if len(source.encode(errors="replace")) > MAX_GRAMMAR_BYTES:
        raise InvalidRequest(
            f"The {what} in {parameter} is too long; at most {MAX_GRAMMAR_BYTES // 1024} KB are compiled.", parameter
        )
