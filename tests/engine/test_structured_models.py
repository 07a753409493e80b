"""Shapes and searches on a real model, from Python."""

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
from pydantic import BaseModel, Field

from sevenb import LLM, SamplingParams
from sevenb.engine.guide import Guide
from sevenb.engine.sampling_params import BeamSearch
from sevenb.errors import InvalidRequest
from sevenb.structured.output_format import OutputFormat


class Job(StrEnum):
    ENGINEER = "engineer"
    TEACHER = "teacher"
    OTHER = "other"


class Person(BaseModel):
    first_name: str = Field(max_length=40)
    age: int = Field(ge=0, le=150)
    job: Job
    languages: list[str] = Field(min_length=1, max_length=3)
    is_member: bool


REQUEST = [{"role": "user", "content": "Who is Jane? Jane Miller, 34, teaches maths and speaks English and French."}]
GREEDY = SamplingParams(temperature=0, max_tokens=120)
UNIQUE = {"type": "array", "items": {"enum": [1, 2, 3]}, "minItems": 2, "maxItems": 2, "uniqueItems": True}


@pytest.fixture(scope="module")
def llm(coder_05b: Path) -> Iterator[LLM]:
    with LLM(coder_05b) as llm:
        yield llm


def answer(llm: LLM, params: SamplingParams = GREEDY, structured: Any = Person) -> list[int]:
    return llm.chat(REQUEST, params, structured=structured)[0].outputs[0].token_ids


def test_an_answer_becomes_the_pydantic_model(llm: LLM) -> None:
    output = llm.chat(REQUEST, GREEDY, structured=Person)[0].outputs[0]
    person = Person.model_validate_json(output.text)
    assert output.finish_reason == "stop"
    assert (person.first_name, person.age, person.job) == ("Jane", 34, Job.TEACHER)


def test_forced_tokens_drafts_and_neighbours_change_nothing(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = answer(llm)
    sampled = SamplingParams(temperature=1.0, seed=5, max_tokens=120, n=2)
    asked = [GREEDY, sampled, msgspec.structs.replace(GREEDY, speculation=False, logprobs=1)]
    together = llm.chat([REQUEST] * 3, asked, structured=Person)
    assert together[0].outputs[0].token_ids == together[2].outputs[0].token_ids == expected
    alone = llm.chat(REQUEST, sampled, structured=Person)[0]
    assert [output.token_ids for output in alone.outputs] == [output.token_ids for output in together[1].outputs]
    monkeypatch.setattr(Guide, "forced", lambda _: [])
    assert answer(llm) == expected
    assert answer(llm, sampled) == alone.outputs[0].token_ids


def test_a_form_takes_less_steps_than_it_has_tokens(llm: LLM) -> None:
    before = llm.stats().steps
    tokens = answer(llm)
    assert llm.stats().steps - before < 0.7 * len(tokens)


def test_a_stream_follows_a_schema(llm: LLM) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    text = "".join(llm.stream_chat(REQUEST, GREEDY, structured=schema))
    jsonschema.validate(json.loads(text), schema)


@pytest.mark.parametrize(
    ("asked", "texts"),
    [({"choice": ["red", "green"]}, ["red", "green"]), ({"regex": "[0-9]{4}-(0[1-9]|1[0-2])"}, None)],
)
def test_shapes_other_than_schemas(llm: LLM, asked: dict[str, Any], texts: list[str] | None) -> None:
    shape = OutputFormat.from_structured_outputs(asked)
    text = llm.generate("The answer: ", GREEDY, structured=shape)[0].outputs[0].text
    assert text in texts if texts else len(text) == 7


def test_a_shape_is_not_cut_short_unless_asked_for(llm: LLM) -> None:
    schema = {"type": "array", "items": {"const": "a rather long constant text"}, "minItems": 6, "maxItems": 6}
    (output,) = llm.generate("A list: ", structured=schema)[0].outputs
    assert json.loads(output.text) == ["a rather long constant text"] * 6
    assert output.finish_reason == "stop"


def test_what_no_grammar_can_promise_is_checked(llm: LLM) -> None:
    params = SamplingParams(n=3, temperature=1.0, seed=1, max_tokens=30)
    try:
        outputs = llm.chat(REQUEST, params, structured=UNIQUE)[0].outputs
    except InvalidRequest as error:
        assert "uniqueItems" in str(error) or "unique" in str(error)  # noqa: PT017
    else:
        assert [output.index for output in outputs] == [0, 1, 2]
        for output in outputs:
            jsonschema.validate(json.loads(output.text), UNIQUE)
    with pytest.raises(InvalidRequest, match="streamed"):
        llm.stream_chat(REQUEST, structured=UNIQUE)


@pytest.mark.parametrize("shape", [5, "json", {"type": "nothing"}, {"$ref": "#/nowhere"}])
def test_what_is_no_shape_is_refused(llm: LLM, shape: Any) -> None:
    with pytest.raises(InvalidRequest):
        llm.chat(REQUEST, GREEDY, structured=shape)


def test_one_beam_is_greedy_and_more_find_better_answers(llm: LLM) -> None:
    free = SamplingParams(temperature=0, max_tokens=16, logprobs=0, ignore_eos=True)
    greedy = llm.chat(REQUEST, free)[0].outputs[0]
    one = llm.chat(REQUEST, msgspec.structs.replace(free, beam=BeamSearch(width=1)))[0].outputs[0]
    assert one.token_ids == greedy.token_ids
    completion = llm.chat(REQUEST, msgspec.structs.replace(free, n=4, beam=BeamSearch(width=4)))[0]
    found = [output.cumulative_logprob or -1e9 for output in completion.outputs]
    assert found == sorted(found, reverse=True)
    assert found[0] >= (greedy.cumulative_logprob or 0.0) - 1e-3
    assert len({tuple(output.token_ids) for output in completion.outputs}) == 4
    assert completion.timings is not None
    assert completion.timings.beam_kv_blocks < completion.timings.beam_kv_blocks_unshared


def test_the_best_of_several_is_the_most_probable(llm: LLM) -> None:
    params = SamplingParams(n=4, temperature=1.0, seed=3, max_tokens=12, logprobs=0)
    every = llm.chat(REQUEST, params)[0].outputs
    means = [(output.cumulative_logprob or 0.0) / len(output.token_ids) for output in every]
    (best,) = llm.chat(REQUEST, msgspec.structs.replace(params, n=1, best_of=4, logprobs=None))[0].outputs
    assert best.token_ids == every[means.index(max(means))].token_ids
    assert best.index == 0
