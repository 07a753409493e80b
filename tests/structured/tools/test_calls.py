"""Tools on a real model: whatever it is free to do, its calls are well-formed, and most of them are right."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.tools.cases import CASES, KINDS
from benchmarks.tools.measure import answers
from sevenb.engine.llm import LLM
from sevenb.engine.sampling_params import SamplingParams
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.tools.reader import calls_in
from sevenb.structured.tools.styles import ToolStyle
from sevenb.structured.tools.tools import ToolChoice

# The first two of each kind; those of the kind that needs no call come without one.
FEW = [case for kind in KINDS for case in [case for case in CASES if case.kind == kind][:2]]


@pytest.fixture(scope="module")
def llm(coder_05b: Path) -> Iterator[LLM]:
    with LLM(coder_05b, max_model_len=2048) as llm:
        yield llm


def test_a_model_that_may_call_does_so_well_formed_and_mostly_right(llm: LLM):
    done = answers(llm, FEW, ToolChoice("auto"))
    assert all(answer.well_formed for answer in done)
    assert sum(answer.right for answer in done) >= len(done) // 2
    assert not any(answer.calls for answer in done if answer.case.kind == "none needed")


def test_a_model_that_must_call_does_so_even_where_it_would_not(llm: LLM):
    for choice in (ToolChoice("required"), ToolChoice("required", parallel=False)):
        done = answers(llm, FEW[::2], choice)
        assert all(answer.calls and answer.well_formed for answer in done)
        assert choice.parallel or all(len(answer.calls) == 1 for answer in done)


def test_a_model_that_must_call_one_tool_calls_that_one(llm: LLM):
    for case in FEW[::3]:
        name = case.tools[-1].name
        (answer,) = answers(llm, [case], ToolChoice("named", name))
        assert [call.name for call in answer.calls] == [name]
        assert answer.well_formed


def test_a_model_that_must_not_call_writes_text(llm: LLM):
    assert not any(answer.calls for answer in answers(llm, FEW[:2], ToolChoice("none")))


def test_with_an_output_format_the_answer_is_a_call_or_the_format(llm: LLM):
    style = ToolStyle.detect(llm.chat_template.source, llm.tokenizer.added_tokens)
    schema = {"type": "object", "properties": {"answer": {"type": "string", "maxLength": 40}}, "required": ["answer"]}
    shape = OutputFormat.from_schema(schema, "response_format")
    constraint = style.constraint(FEW[0].tools, ToolChoice(), shape.constraint())
    assert constraint is not None
    params = SamplingParams(temperature=0, max_tokens=100, grammar=constraint.grammar, skip_special_tokens=False)
    for case in FEW[:2] + [case for case in FEW if case.kind == "none needed"]:
        prompt = llm.render_chat(case.messages, tools=[tool.template_form() for tool in case.tools])
        (completion,) = llm.generate([prompt], params)
        text = completion.outputs[0].text
        reader = style.reader(case.tools, ToolChoice())
        assert calls_in(reader.feed(text) + reader.finish()) or text.startswith('{"answer": "')


def test_the_example_in_the_documentation_runs(coder_05b: Path, capsys: pytest.CaptureFixture[str]):
    page = Path(__file__).parents[3] / "docs" / "tools.md"
    (example,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(example, {})
    assert re.fullmatch(r"\[\('get_weather', '\{\"city\": \".+\"\}'\)\]\n", capsys.readouterr().out)
