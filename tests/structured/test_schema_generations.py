"""What the 0.5B writes under the suite's schemas: valid whenever it comes to its end."""

import json
from pathlib import Path

import pytest

from sevenb.engine.llm import LLM
from sevenb.engine.sampling_params import SamplingParams
from sevenb.structured.output_format import OutputFormat
from tests.structured.schemas import SUITE, Case
from tests.structured.validation import schema_error

_ACCEPTED = [case for case in SUITE if case.outcome != "refused" and len(json.dumps(case.schema)) < 3000]
_MOST_TOKENS = 120


def _generate(model: Path, cases: list[Case]) -> tuple[int, int]:
    """Answer to each schema, all side by side; how many answers were proven valid, and how many were cut short."""
    constraints = [OutputFormat.from_schema(case.schema, "schema").constraint() for case in cases]
    conversations = [
        [{"role": "user", "content": f"Make up a short example of this JSON Schema: {json.dumps(case.schema)}"}]
        for case in cases
    ]
    params = [
        SamplingParams(max_tokens=_MOST_TOKENS, temperature=0.7, seed=i, grammar=constraint.grammar)
        for i, constraint in enumerate(constraints)
    ]
    valid = cut = 0
    with LLM(str(model)) as llm:
        answers = llm.chat(conversations, params)
    for case, constraint, answer in zip(cases, constraints, answers, strict=True):
        [choice] = answer.outputs
        if choice.finish_reason == "length":
            cut += 1
            continue
        assert choice.finish_reason == "stop"
        error = schema_error(case.schema, choice.text)
        if constraint.check is None:
            assert error is None
        else:
            assert (constraint.check(choice.text) is None) == (error is None)
        valid += error is None
    return valid, cut


def test_generated_answers_are_valid(coder_05b: Path) -> None:
    sample = _ACCEPTED[5::24]
    valid, cut = _generate(coder_05b, sample)
    assert valid >= len(sample) * 0.6
    assert cut <= len(sample) * 0.4


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_generated_answers_to_all_schemas_are_valid(coder_05b: Path, capsys: pytest.CaptureFixture[str]) -> None:
    valid, cut = _generate(coder_05b, _ACCEPTED)
    with capsys.disabled():
        print(f"\n{len(_ACCEPTED)} schemas: {valid} valid answers, {cut} cut short by their length")
    assert valid >= len(_ACCEPTED) * 0.6
