"""More than 300 schemas: what is accepted is always obeyed, what is refused names its keyword."""

import json
import random

import pytest

from sevenb.errors import InvalidRequest
from sevenb.model.tokenizer import Tokenizer
from sevenb.structured.compiler import GrammarCompiler
from sevenb.structured.output_format import OutputFormat
from sevenb.structured.schema.keywords import REFUSED, is_constraint
from tests.structured.conftest import OUTCOMES
from tests.structured.schemas import SUITE, Case
from tests.structured.validation import schema_error
from tests.structured.walks import Walker, accepts

_WALKS = 3
_MUTATIONS = 30
_ACCEPTED = [case for case in SUITE if case.outcome != "refused"]


def _name(case: Case) -> str:
    return f"{case.feature}-{json.dumps(case.schema)[:40]}"


def test_the_suite_has_more_than_300_schemas_and_all_are_different() -> None:
    assert len({json.dumps(case.schema) for case in SUITE}) == len(SUITE) > 300


@pytest.mark.parametrize("case", _ACCEPTED, ids=_name)
def test_each_accepted_schema_is_proven_or_checked_as_expected(case: Case) -> None:
    constraint = OutputFormat.from_schema(case.schema, "schema").constraint()
    OUTCOMES[case.feature, "proven" if constraint.check is None else "checked"] += 1
    assert (constraint.check is None) == (case.outcome == "proven")


@pytest.mark.parametrize("case", [case for case in SUITE if case.outcome == "refused"], ids=_name)
def test_each_refused_schema_is_told_its_keyword(case: Case) -> None:
    with pytest.raises(InvalidRequest) as refusal:
        OutputFormat.from_schema(case.schema, "the_field").constraint()
    OUTCOMES[case.feature, "refused"] += 1
    assert refusal.value.parameter == "the_field"
    message = str(refusal.value)
    assert "the_field" in message
    if isinstance(case.schema, dict):
        assert any(is_constraint(word) or word in REFUSED for word in message.split("'")), message


@pytest.mark.parametrize("case", _ACCEPTED, ids=_name)
def test_every_answer_to_an_accepted_schema_is_valid(
    case: Case, compiler: GrammarCompiler, tokenizer: Tokenizer, walker: Walker
) -> None:
    constraint = OutputFormat.from_schema(case.schema, "schema").constraint()
    matcher = compiler.compile(constraint.grammar)
    ended = 0
    for seed in range(_WALKS):
        answer = walker.walk(matcher.copy(), seed)
        if answer is None:
            continue
        ended += 1
        text = answer.decode()
        assert json.dumps(json.loads(text), ensure_ascii=False).count("\n") == 0
        error = schema_error(case.schema, text)
        if constraint.check is not None:
            assert (constraint.check(text) is None) == (error is None), error
        else:
            assert error is None
    assert ended, "no walk came to an end"


@pytest.mark.parametrize("case", [case for case in SUITE if case.outcome == "proven"], ids=_name)
def test_no_grammar_takes_a_text_that_its_schema_forbids(
    case: Case, compiler: GrammarCompiler, bytewise: GrammarCompiler, walker: Walker
) -> None:
    constraint = OutputFormat.from_schema(case.schema, "schema").constraint()
    answer = walker.walk(compiler.compile(constraint.grammar))
    matcher = bytewise.compile(constraint.grammar)
    chance = random.Random(len(json.dumps(case.schema)))
    base = "null" if answer is None else answer.decode()
    for _ in range(_MUTATIONS):
        text = _mutated(base, chance)
        if accepts(matcher, text):
            assert schema_error(case.schema, text) is None


def _mutated(text: str, chance: random.Random) -> str:
    """A text with a piece of it replaced, doubled or taken out."""
    start = chance.randrange(len(text) + 1)
    end = min(len(text), start + chance.choice((0, 1, 1, 2, 5)))
    piece = chance.choice(
        ("", text[start:end] * 2, "1", "-1", "0", ".5", '"', "a", "null", "true", "{}", "[]", ', "a": 1', "é")
    )
    return text[:start] + piece + text[end:]
