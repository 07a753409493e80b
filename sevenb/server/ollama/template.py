"""Ollama's prompt templates, which are Go's, as Jinja, which is what `ChatTemplate` renders.

Covers what such templates are made of: text, ``{{ .System }}``, ``if``, ``else``, ``range .Messages``, ``eq``, ``and``,
``or``, ``not``, and white-space trimming (Go's package text/template; Ollama's docs/template.md for the variables).
"""

import json
import re
from collections.abc import Iterator

from sevenb.errors import InvalidRequest

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|`[^`]*`|[()]|[^\s()]+')
_RANGE = re.compile(r"(?:\$\w+\s*(?:,\s*\$\w+\s*)?:=\s*)?\$?\.Messages")
_OPERATORS = {"eq": "==", "ne": "!=", "and": "and", "or": "or"}
_VARIABLES = {
    ".System": "system", ".Prompt": "prompt", ".Suffix": "suffix", ".Messages": "messages", ".Role": "message.role",
    ".Content": "message.content", ".Response": "''", ".Tools": "''", ".Thinking": "''", ".ToolCalls": "''",
}  # fmt: skip
_MAX_TAGS = 1000
_MAX_DEPTH = 20


def jinja_of(template: str) -> str:
    """The template as Jinja, up to where the answer belongs. Raises `InvalidRequest` for what it does not cover."""
    parts: list[str] = []
    open_blocks: list[str] = []
    for literal, tag in _pieces(template):
        if literal:
            parts.append("{{ " + json.dumps(literal, ensure_ascii=False) + " }}")
        if not tag or tag.startswith("/*"):
            continue
        if tag == ".Response":
            break
        parts.append(_statement(tag, open_blocks))
    return "".join(parts) + "".join(f"{{% end{block} %}}" for block in reversed(open_blocks))


def _pieces(template: str) -> Iterator[tuple[str, str]]:
    """Text and the tag after it; the last text has none. Takes time in proportion to the length, whatever is sent."""
    position, trims = 0, False
    for _ in range(_MAX_TAGS + 1):
        start = template.find("{{", position)
        end = template.find("}}", start + 2) if start >= 0 else -1
        literal = template[position:start] if end >= 0 else template[position:]
        literal = literal.lstrip() if trims else literal
        if end < 0:
            yield literal, ""
            return
        tag = template[start + 2 : end]
        if tag[:1] == "-" and tag[1:2].isspace():
            tag, literal = tag[1:], literal.rstrip()
        trims = tag[-1:] == "-" and tag[-2:-1].isspace()
        yield literal, tag[: len(tag) - trims].strip()
        position = end + 2
    raise InvalidRequest(f"template has more than {_MAX_TAGS} tags; send a shorter one.", "template")


def _statement(tag: str, open_blocks: list[str]) -> str:
    word, _, rest = tag.partition(" ")
    rest = rest.strip()
    if len(open_blocks) > _MAX_DEPTH:
        raise _not_understood(tag)
    if word == "if":
        open_blocks.append("if")
        return f"{{% if {_expression(rest)} %}}"
    if word == "range" and _RANGE.fullmatch(rest):
        open_blocks.append("for")
        return "{% for message in messages %}"
    if word == "else" and open_blocks[-1:] == ["if"]:
        return f"{{% elif {_expression(rest[3:])} %}}" if rest.startswith("if ") else "{% else %}"
    if tag == "end" and open_blocks:
        return f"{{% end{open_blocks.pop()} %}}"
    return "{{ " + _expression(tag) + " }}"


def _expression(text: str) -> str:
    words = _WORD.findall(text)
    if len(words) > _MAX_TAGS:
        raise _not_understood(text)
    expression, rest = _operation(words, text, 0)
    if rest:
        raise _not_understood(text)
    return expression


def _operation(words: list[str], text: str, depth: int) -> tuple[str, list[str]]:
    """An operator with its operands, or one operand; and the words after it."""
    if not words:
        raise _not_understood(text)
    word, rest = words[0], words[1:]
    if word == "not":
        operand, rest = _operand(rest, text, depth)
        return f"not ({operand})", rest
    if word not in _OPERATORS:
        return _operand(words, text, depth)
    operands = []
    while rest and rest[0] != ")":
        operand, rest = _operand(rest, text, depth)
        operands.append(f"({operand})")
    if len(operands) < 2:
        raise _not_understood(text)
    return f" {_OPERATORS[word]} ".join(operands), rest


def _operand(words: list[str], text: str, depth: int) -> tuple[str, list[str]]:
    if not words or depth > _MAX_DEPTH:
        raise _not_understood(text)
    word, rest = words[0], words[1:]
    if word == "(":
        inner, rest = _operation(rest, text, depth + 1)
        if rest[:1] != [")"]:
            raise _not_understood(text)
        return inner, rest[1:]
    if word.startswith('"'):
        try:
            return json.dumps(json.loads(word), ensure_ascii=False), rest
        except ValueError:
            raise _not_understood(text) from None
    if word.startswith("`"):
        return json.dumps(word[1:-1], ensure_ascii=False), rest
    name = re.sub(r"^\$\w*(?=\.)", "", word)
    if name not in _VARIABLES:
        raise _not_understood(text)
    return _VARIABLES[name], rest


def _not_understood(text: str) -> InvalidRequest:
    return InvalidRequest(
        f"template holds {{{{ {text:.60} }}}}, which is not understood here; use .System, .Prompt, .Suffix, .Messages, "
        "if, else, range, eq, and, or and not, or send the finished prompt with raw: true.",
        "template",
    )
