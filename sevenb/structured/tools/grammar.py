"""Grammars of tool calls: the texts a model may write where it may, or must, call certain tools."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sevenb.structured.lark import lark_literal, serialise
from sevenb.structured.schema.json_schema import SchemaGrammar
from sevenb.structured.tools.opening import ARGUMENT_KEYS

MAX_CALLS = 32  # in one answer: small models know no end

_TEXT = r"TEXT: /(?s:.*)/"
_SPACE = r"SPACE: /[ \t\r\n]{1,40}/"
_FENCE, _FENCE_END = "```json\n", "\n```"
_END = r"END: /\s*\]?\s*(```|<\/tools>)?\s*/"


@dataclass(frozen=True)
class CallNotation:
    """How a family writes calls: ``marker head CALL between CALL after``, a call being ``{"name": …, key: {…}}``.

    ``tokens`` are the special tokens among these texts, by spelling. Without ``marks_always`` the model was trained to
    begin with the bare call, and the marker is only understood.
    """

    marker: str
    head: str
    between: str
    after: str
    key: str = "arguments"
    marks_always: bool = True
    tokens: Mapping[str, int] = field(default_factory=dict)

    def terms(self, text: str) -> str:
        """A text as a sequence of Lark terms, its special tokens by id."""
        marks = re.compile(f"({'|'.join(map(re.escape, self.tokens))})") if self.tokens else re.compile("($^)")
        parts = (part for part in marks.split(text) if part)
        return " ".join(f"<[{self.tokens[part]}]>" if part in self.tokens else lark_literal(part) for part in parts)


class CallGrammar:
    """The Lark rules for calls of certain tools in one notation."""

    def __init__(self, notation: CallNotation, arguments: Mapping[str, SchemaGrammar], *, parallel: bool) -> None:
        """``arguments`` are those of each tool by its name."""
        self._notation = notation
        self._names = list(arguments)
        self._arguments = arguments
        self._parallel = parallel

    def calls(self) -> str:
        """An answer that is one call, or several.

        In the family's own notation, or bare, in a fence or in a list as in free answers: a model that is held to a
        notation that it does not use by itself does not know how to end, and calls on and on.
        """
        fenced = f"fenced: {lark_literal(_FENCE)} (unmarked | list) {lark_literal(_FENCE_END)}"
        listed = f'list: "[" SPACE? either{self._more(", ", "either")} SPACE? "]"'
        rules = ["start: calls | unmarked | list | fenced", fenced, listed]
        return "\n".join([*rules, *self._unmarked(), self._calls(), *self._call_rules(), _SPACE])

    def calls_or(self, rule: str) -> str:
        """An answer that is calls, or what another Lark rule says."""
        rules = [f"start: calls | unmarked | {rule}", *self._unmarked(), self._calls(), *self._call_rules()]
        return "\n".join(rules)

    def text_and_calls(self) -> str:
        """Any text in which calls, once opened, are well-formed; bare ones, which some models prefer, too.

        The opening of a bare call is recognised in whatever spacing. What is forced then is the tool's schema.
        """
        notation = self._notation
        rules = []
        if notation.marker in notation.tokens:
            opening = f"TEXT {notation.terms(notation.marker)}"
        else:
            opening = "opening"
            rules.append(f"opening[lazy]: /(?s:.*){_regex(notation.marker)}/")
        more = self._more(notation.between) if notation.marker not in notation.between else ""
        rules.append(f"marked: {opening} {notation.terms(notation.head)} call{more} {notation.terms(notation.after)}")
        rules.append(f"bare: {' | '.join(f'bare_{i}' for i in range(len(self._names)))}")
        for i, name in enumerate(self._names):
            rules.append(f"opening_{i}[lazy]: /(?s:.*){_bare_opening(name)}/")
            rules.append(f'bare_{i}: opening_{i} SPACE? arguments_{i} SPACE? "}}"')
        several = f"opened{{0,{MAX_CALLS - 1}}} TEXT | opened{{{MAX_CALLS}}} END"
        start = f"start: {several if self._parallel else 'TEXT | opened END'}"
        return "\n".join([start, "opened: marked | bare", *rules, *self._call_rules(), _TEXT, _SPACE, _END])

    def _calls(self) -> str:
        notation = self._notation
        before = (notation.marker if notation.marks_always else "") + notation.head
        return f"calls: {notation.terms(before)} call{self._more(notation.between)} {notation.terms(notation.after)}"

    def _unmarked(self) -> list[str]:
        """Calls line by line without a marker, each on one line or indented as models like to in a fence."""
        rules = [f"unmarked: either{self._more(chr(10), 'either')}", "either: call | indented"]
        rules.append(f"indented: {' | '.join(f'indented_{i}' for i in range(len(self._names)))}")
        for i, name in enumerate(self._names):
            opening = f'{{\n  "name": "{name}",\n  "{self._notation.key}": '
            rules.append(f"indented_{i}: {lark_literal(opening)} arguments_{i} {lark_literal(chr(10) + '}')}")
        return rules

    def _more(self, between: str, call: str = "call") -> str:
        return f" ({self._notation.terms(between)} {call}){{0,{MAX_CALLS - 1}}}" if self._parallel else ""

    def _call_rules(self) -> list[str]:
        rules = [f"call: {' | '.join(f'call_{i}' for i in range(len(self._names)))}"]
        for i, name in enumerate(self._names):
            # Cut as JSON schemas are: the lexer is greedy, and must not miss an output that begins like a call.
            opening = ["{", '"name"', ": ", f'"{name}"', ", ", f'"{self._notation.key}"', ": "]
            rules.append(f'call_{i}: {" ".join(map(lark_literal, opening))} arguments_{i} "}}"')
            rules.append(f"arguments_{i}: {self._arguments[name].rule}")
        return rules


def any_text() -> str:
    """Any text, but no special token: no call behind a marker."""
    return f"start: TEXT\n{_TEXT}"


def calls_or_output(calls: CallGrammar, output: str) -> str:
    """The serialised grammar of an answer that is calls or what the serialised grammar ``output`` says."""
    (start,) = json.loads(serialise(calls.calls_or("@output")))["grammars"]
    shape, *others = json.loads(output)["grammars"]
    return json.dumps({"grammars": [start, {**shape, "name": "output"}, *others]})


def _regex(text: str) -> str:
    return re.escape(text).replace("/", r"\/")


def _bare_opening(name: str) -> str:
    return rf'\{{\s*"name"\s*:\s*"{_regex(name)}"\s*,\s*"({"|".join(ARGUMENT_KEYS)})"\s*:'
