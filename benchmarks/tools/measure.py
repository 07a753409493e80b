"""Run the cases on a model and score what it calls."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema

from benchmarks import machine
from benchmarks.results import ToolKind, ToolResult
from benchmarks.tools.cases import CASES, KINDS, Case
from benchmarks.tools.expectation import Call, same_calls, same_names
from sevenb.engine.llm import LLM
from sevenb.engine.sampling_params import SamplingParams
from sevenb.structured.tools.reader import calls_in
from sevenb.structured.tools.styles import ToolStyle
from sevenb.structured.tools.tools import ToolChoice

MAX_TOKENS = 256  # an answer that needs none may be cut, a call never is as long


@dataclass(frozen=True)
class Answer:
    """What a model answered to a case. ``well_formed``: every call is whole and follows its tool's schema."""

    case: Case
    text: str
    calls: list[Call]
    well_formed: bool

    @property
    def right(self) -> bool:
        """Exactly the calls that were expected."""
        return self.well_formed and same_calls(self.case.calls, self.calls)

    @property
    def right_tools(self) -> bool:
        """The right tools, whatever the arguments."""
        return same_names(self.case.calls, self.calls)


def measure_tools(name: str, path: Path, threads: int) -> ToolResult:
    """All cases, left free to call or not, and once more without a grammar; then a call demanded where one is due."""
    with LLM(path, threads=threads) as llm:
        free = answers(llm, CASES, ToolChoice("auto"))
        unaided = answers(llm, CASES, ToolChoice("auto"), constrained=False)
        demanded = answers(llm, [case for case in CASES if case.calls], ToolChoice("required"))
    kinds = [_score(kind, *(_of(kind, part) for part in (free, unaided, demanded))) for kind in KINDS]
    return ToolResult(name, machine.conditions(threads), kinds)


def answers(llm: LLM, cases: Sequence[Case], choice: ToolChoice, *, constrained: bool = True) -> list[Answer]:
    """The greedy answers to some cases, side by side."""
    style = ToolStyle.detect(llm.chat_template.source, llm.tokenizer.added_tokens)
    prompts, params = [], []
    for case in cases:
        prompts.append(llm.render_chat(case.messages, tools=[tool.template_form() for tool in case.tools]))
        constraint = style.constraint(case.tools, choice)
        assert constraint is not None
        params.append(
            SamplingParams(
                temperature=0,
                max_tokens=MAX_TOKENS,
                grammar=constraint.grammar if constrained else None,
                skip_special_tokens=False,
            )
        )
    completions = llm.generate(prompts, params, progress=True)
    return [_read(case, style, choice, done.outputs[0].text) for case, done in zip(cases, completions, strict=True)]


def _read(case: Case, style: ToolStyle, choice: ToolChoice, text: str) -> Answer:
    reader = style.reader(case.tools, choice)
    events = reader.feed(text) + reader.finish()
    schemas = {tool.name: {"type": "object", **tool.parameters} for tool in case.tools}
    found = [(name, _valid_arguments(written, schemas[name])) for name, written in calls_in(events)]
    well_formed = all(arguments is not None for _, arguments in found)
    calls = [Call(name, arguments or {}) for name, arguments in found]
    return Answer(case, text, calls, well_formed)


def _valid_arguments(written: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    try:
        arguments = json.loads(written)
        jsonschema.validate(arguments, schema)
    except (ValueError, jsonschema.ValidationError):
        return None
    return arguments if isinstance(arguments, dict) else None


def _of(kind: str, answered: Sequence[Answer]) -> list[Answer]:
    return [answer for answer in answered if answer.case.kind == kind]


def _score(kind: str, free: Sequence[Answer], unaided: Sequence[Answer], demanded: Sequence[Answer]) -> ToolKind:
    return ToolKind(
        kind=kind,
        cases=len(free),
        well_formed=sum(answer.well_formed for answer in free),
        right=sum(answer.right for answer in free),
        right_tools=sum(answer.right_tools for answer in free),
        unaided=sum(answer.right for answer in unaided),
        demanded=len(demanded),
        demanded_well_formed=sum(answer.well_formed for answer in demanded),
        demanded_right=sum(answer.right for answer in demanded),
    )
