"""How families of models write tool calls: told by the chat template, enforced by a grammar, found by a reader."""

import json
import re
import secrets
import string
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from sevenb.errors import InvalidRequest
from sevenb.structured.constraint import Constraint
from sevenb.structured.lark import serialise
from sevenb.structured.schema.json_schema import SchemaGrammar
from sevenb.structured.tools.arguments import arguments_grammar
from sevenb.structured.tools.grammar import CallGrammar, CallNotation, any_text, calls_or_output
from sevenb.structured.tools.opening import CallOpenings
from sevenb.structured.tools.reader import ToolReader, calls_in
from sevenb.structured.tools.tools import Tool, ToolChoice, check_tools

_PATIENCE = 20  # seconds for all schemas of a request; ordinary ones take milliseconds

_HERMES = CallNotation(marker="<tool_call>", head="\n", between="\n</tool_call>\n<tool_call>\n", after="\n</tool_call>")
_LLAMA = CallNotation(marker="<|python_tag|>", head="", between="; ", after="", key="parameters", marks_always=False)
_MISTRAL = CallNotation(marker="[TOOL_CALLS]", head=" [", between=", ", after="]")


@dataclass(frozen=True)
class ToolStyle:
    """One family's way of writing calls. One object serves all requests of a model.

    ``knows_tools`` tells whether the chat template renders ``tools`` itself; where it does not, `instructions` belong
    into a system turn. ``id_length`` is the length of call ids that the template insists on, if it does.
    """

    notation: CallNotation
    knows_tools: bool
    id_length: int | None = None

    @staticmethod
    def detect(template_source: str | None, special_tokens: Mapping[str, int]) -> "ToolStyle":
        """The style of a model, from its chat template's source and its special tokens.

        The formats are the published ones: Qwen2.5's and Hermes 2 Pro's ``<tool_call>``, Llama 3.1's JSON and Mistral's
        ``[TOOL_CALLS]``. A model of none of them is told to write calls as Hermes does.
        """
        source = template_source or ""
        knows_tools = re.search(r"\btools\b", source) is not None
        if _HERMES.marker in source:  # many a fine-tune of Llama and Mistral, which has kept the tokens of its base
            style = ToolStyle(_HERMES, knows_tools)
        elif _MISTRAL.marker in special_tokens:
            notation = replace(_MISTRAL, head="[") if "[TOOL_CALLS][" in source else _MISTRAL
            style = ToolStyle(notation, knows_tools and _MISTRAL.marker in source, id_length=9)
        elif _LLAMA.marker in special_tokens:
            style = ToolStyle(_LLAMA, knows_tools and _LLAMA.key in source)
        else:
            style = ToolStyle(_HERMES, knows_tools=False)
        marks = {style.notation.marker, style.notation.after.strip()}
        tokens = {mark: special_tokens[mark] for mark in marks & special_tokens.keys()}
        return replace(style, notation=replace(style.notation, tokens=tokens))

    def constraint(
        self, tools: Sequence[Tool], choice: ToolChoice, output: Constraint | None = None
    ) -> Constraint | None:
        """What an answer must look like: text, calls, or what ``output`` says; None if anything goes.

        Raises `InvalidRequest` that names the tool and the keyword of a schema that cannot be guaranteed. Takes
        milliseconds for each schema that is new, so call it off the event loop.
        """
        check_tools(tools, choice)
        if not tools or choice.mode == "none":
            return output or (Constraint(serialise(any_text())) if tools and self.notation.tokens else None)
        arguments = _compile(tools, choice.name if choice.mode == "named" else None)
        grammar = CallGrammar(self.notation, arguments, parallel=choice.parallel and choice.mode != "named")
        if choice.mode != "auto":
            return Constraint(serialise(grammar.calls()), check=self._check(arguments, None))
        if output is None:
            return Constraint(serialise(grammar.text_and_calls()), check=self._check(arguments, None))
        return Constraint(calls_or_output(grammar, output.grammar), check=self._check(arguments, output))

    def reader(self, tools: Sequence[Tool], choice: ToolChoice, new_id: Callable[[], str] | None = None) -> ToolReader:
        """A reader for one answer. ``new_id`` makes the ids of calls; `new_id` of this style unless given."""
        names = {tool.name for tool in tools if choice.mode != "named" or tool.name == choice.name}
        return self._reader(names if choice.mode != "none" else set(), new_id or self.new_id, parallel=choice.parallel)

    def new_id(self, prefix: str = "call_") -> str:
        """An id for a call such as the template takes it back: nine letters and digits for Mistral's."""
        length = self.id_length or 24
        characters = "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(length))
        return characters if self.id_length else prefix + characters

    def instructions(self, tools: Sequence[Tool]) -> str:
        """What to tell a model whose template does not know tools: which there are and how to call them."""
        notation = self.notation
        before = notation.marker if notation.marks_always else ""
        call = f'{{"name": "the function\'s name", "{notation.key}": {{its arguments}}}}'
        listed = "\n".join(json.dumps(tool.template_form(), ensure_ascii=False) for tool in tools)
        return (
            "You can call these functions, each described by a JSON Schema:\n"
            f"{listed}\n\n"
            "To call one, write nothing but the call, in exactly this form:\n"
            f"{before}{notation.head}{call}{notation.after}\n"
            "If none of them helps, answer in words."
        )

    def _reader(self, names: set[str], new_id: Callable[[], str], *, parallel: bool) -> ToolReader:
        notation = self.notation
        closer = notation.after.strip() if notation.marker in notation.between else ""
        return ToolReader(CallOpenings.of(names, {notation.marker: closer}), new_id, parallel=parallel)

    def _check(
        self, arguments: Mapping[str, SchemaGrammar], output: Constraint | None
    ) -> Callable[[str], str | None] | None:
        """What is wrong with a finished answer, as far as its grammar cannot tell; None if that can tell all."""
        output_check = output.check if output else None
        if output_check is None and all(grammar.check is None for grammar in arguments.values()):
            return None

        def check(text: str) -> str | None:
            reader = self._reader(set(arguments), self.new_id, parallel=True)
            calls = calls_in(reader.feed(text) + reader.finish())
            if not calls:
                return output_check(text) if output_check else None
            for name, written in calls:
                proof = arguments[name].check
                if proof and (wrong := proof(written)):
                    return f"{name}: {wrong}"
            return None

        return check


def _compile(tools: Sequence[Tool], wanted: str | None) -> dict[str, SchemaGrammar]:
    """The arguments of each tool, or of the one that is wanted. Raises `InvalidRequest` if all take too long."""
    began = time.monotonic()
    compiled = {}
    for i, tool in enumerate(tools):
        if wanted is None or tool.name == wanted:
            compiled[tool.name] = arguments_grammar(tool, i)
            if time.monotonic() - began > _PATIENCE:
                raise InvalidRequest(
                    f"The schemas of {len(tools)} tools take more than {_PATIENCE} seconds to compile; simplify them.",
                    "tools",
                )
    return compiled
