"""Beam search finds what the textbook's finds, in any company, and its beams share what they have in common."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.engine.sampling_params import BeamSearch, SamplingParams
from sevenb.errors import InvalidRequest
from tests.engine import fake_model
from tests.engine.fake_grammar import END_TOKENS, decode, regex
from tests.engine.fake_model import VOCAB_SIZE, log_softmax, logits_after
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of


class Found(NamedTuple):
    tokens: list[int]
    logprob: float


def search(prompt: Sequence[int], params: SamplingParams, stop_token_ids: Sequence[int] = ()) -> list[Found]:
    """The textbook's beam search, with no engine."""
    beam = params.beam
    assert beam is not None
    assert params.max_tokens is not None
    live, ended = [Found([], 0.0)], []

    def score(found: Found) -> float:
        length = len(found.tokens) - (found.tokens[-1] in stop_token_ids)
        return float(found.logprob / max(1, length) ** beam.length_penalty)

    while live:
        steps = []
        for found in live:
            logits = logits_after([*prompt, *found.tokens])
            best = np.argsort(-logits, kind="stable")
            if len(found.tokens) < params.min_tokens:
                best = np.array([token_id for token_id in best if token_id not in stop_token_ids])
            for token_id in best[: 2 * beam.width].tolist():
                steps.append(Found([*found.tokens, token_id], found.logprob + float(log_softmax(logits)[token_id])))
        steps.sort(key=lambda step: -step.logprob)
        ended += [step for step in steps[: beam.width] if step.tokens[-1] in stop_token_ids]
        live = [step for step in steps if step.tokens[-1] not in stop_token_ids][: beam.width]
        if len(live[0].tokens) == params.max_tokens:
            ended, live = ended + live, []
        ended.sort(key=lambda found: -score(found))
        enough = live and len(ended) >= beam.width
        if enough and (beam.early_stopping or max(map(score, live)) <= score(ended[beam.width - 1])):
            break
    return ended[: params.n]


def beams(width: int = 4, *, n: int = 1, penalty: float = 1.0, early: bool = False, **more: Any) -> SamplingParams:
    beam = BeamSearch(width=width, length_penalty=penalty, early_stopping=early)
    return SamplingParams(**{"max_tokens": 12} | more, n=n, beam=beam)


def check(harness: Harness, request: str, expected: list[Found]) -> None:
    outcome = harness.outcomes[request]
    assert outcome.finished
    assert [outcome.tokens[index] for index in range(len(expected))] == [found.tokens for found in expected]
    for index, found in enumerate(expected):
        assert sum(record.logprob or 0.0 for record in outcome.records[index]) == pytest.approx(found.logprob)
        assert outcome.finish_reasons[index] == ("stop" if found.tokens[-1] in END_TOKENS else "length")


MANY_ENDS = list(range(0, VOCAB_SIZE, 9))


@pytest.mark.parametrize(
    "params",
    [
        beams(1),
        beams(4),
        beams(4, n=4),
        beams(7, n=3, max_tokens=25),
        beams(4, n=2, penalty=0.0),
        beams(4, n=2, penalty=2.0),
        beams(4, n=4, early=True),
        beams(3, n=3, min_tokens=6),
        beams(3, n=3, max_tokens=1),
    ],
    ids=["one", "four", "all four", "long", "no penalty", "long gains", "early", "least length", "one token"],
)
def test_the_answers_are_those_of_the_textbook(params: SamplingParams) -> None:
    for seed in range(4):
        harness = Harness(blocks=200)
        request = harness.add(prompt_of(9, seed), params, stop_token_ids=MANY_ENDS)
        harness.run()
        expected = search(prompt_of(9, seed), params, MANY_ENDS)
        outcome = harness.outcomes[request]
        assert [outcome.tokens[index] for index in range(params.n)] == [found.tokens for found in expected]
        for index, found in enumerate(expected):
            assert sum(record.logprob or 0.0 for record in outcome.records[index]) == pytest.approx(found.logprob)
            assert outcome.finish_reasons[index] == ("stop" if found.tokens[-1] in MANY_ENDS else "length")
        assert harness.blocks_used == 0


def test_one_beam_is_greedy() -> None:
    assert Harness().generate(prompt_of(8), beams(1, max_tokens=20)) == Harness().generate(
        prompt_of(8), SamplingParams(temperature=0, max_tokens=20)
    )


def test_beams_share_the_blocks_they_have_in_common() -> None:
    harness = Harness(blocks=64, block_size=4)
    request = harness.add(prompt_of(102), beams(4, n=4, max_tokens=30))
    most = 0
    while harness.engine.has_work:
        harness.step()
        most = max(most, harness.blocks_used)
    timings = harness.outcomes[request].timings
    assert timings is not None
    assert most <= timings.beam_kv_blocks < 45
    assert timings.beam_kv_blocks_unshared > 4 * 26  # blocks of the prompt alone
    assert harness.backend.copied


def test_log_probabilities_come_with_the_answers() -> None:
    harness = Harness()
    request = harness.add(prompt_of(8), beams(3, n=2, logprobs=2))
    harness.run()
    outcome = harness.outcomes[request]
    for index in range(2):
        history = prompt_of(8)
        for record in outcome.records[index]:
            logprobs = log_softmax(logits_after(history))
            assert record.logprob == pytest.approx(logprobs[record.token_id])
            assert record.top_logprobs == list(fake_model.best(logprobs, 2))
            history.append(record.token_id)


def test_nothing_is_told_before_the_end() -> None:
    harness = Harness()
    harness.add(prompt_of(8), beams(3, n=2))
    reports = [harness.step() for _ in range(11)]
    assert not any(reports)


def test_a_search_can_be_aborted() -> None:
    harness = Harness()
    request = harness.add(prompt_of(8), beams(4, n=2))
    for _ in range(4):
        harness.step()
    harness.engine.abort(request, 1)
    harness.engine.abort(request)
    harness.run()
    assert harness.outcomes[request].finish_reasons == {0: "abort", 1: "abort"}
    assert harness.blocks_used == 0


def test_beams_follow_a_grammar() -> None:
    params = beams(4, n=4, max_tokens=20, grammar=regex("(red|green|blue|black)( [0-9])?"))
    harness = Harness()
    request = harness.add(prompt_of(8), params, stop_token_ids=END_TOKENS)
    harness.run()
    texts = [decode(harness.outcomes[request].tokens[index]) for index in range(4)]
    assert len(set(texts)) == 4
    assert all(text.split()[0] in ("red", "green", "blue", "black") for text in texts)


def test_where_a_grammar_allows_fewer_answers_the_best_come_again() -> None:
    harness = Harness()
    request = harness.add(prompt_of(8), beams(3, n=3, grammar=regex("(yes|no)")), stop_token_ids=END_TOKENS)
    harness.run()
    tokens = harness.outcomes[request].tokens
    assert {decode(tokens[0]), decode(tokens[1])} == {"yes", "no"}
    assert tokens[2] == tokens[0]


def test_a_beam_that_nothing_may_follow_fails_its_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sevenb.structured.compiler.fill_masks", lambda matchers, into: into.fill(0))
    harness = Harness()
    stuck = harness.add(prompt_of(8), beams(3, n=3, grammar=regex("(yes|no)")), stop_token_ids=END_TOKENS)
    free = harness.add(prompt_of(8), beams(3, n=3))
    harness.run(most_steps=5000)
    failure = harness.outcomes[stuck].failure
    assert failure is not None
    assert "no token may follow" in failure.message
    assert harness.outcomes[free].finished
    assert harness.blocks_used == 0


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_in_any_company_with_little_room(data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    harness = Harness(
        blocks=data.draw(st.integers(14, 40)),
        block_size=data.draw(st.integers(2, 5)),
        max_num_seqs=data.draw(st.integers(2, 6)),
        max_num_batched_tokens=data.draw(st.integers(6, 30)),
        enable_prefix_caching=data.draw(st.booleans()),
        max_model_len=28,
    )
    asked = []
    for place in range(6):
        prompt = prompt_of(chance.randint(1, 12), chance.randrange(3))
        fields: dict[str, Any] = {"max_tokens": chance.randint(1, 14)}
        if chance.random() < 0.6:
            params = beams(chance.randint(1, 4), early=chance.random() < 0.5, **fields)
        else:
            params = SamplingParams(seed=place, n=chance.choice([1, 2]), **fields)
        asked.append((harness.add(prompt, params, stop_token_ids=END_TOKENS), prompt, params))
        for _ in range(chance.randint(0, 4)):
            harness.step()
        if chance.random() < 0.2:
            harness.engine.abort(asked.pop(chance.randrange(len(asked)))[0])
    harness.run(most_steps=20_000)
    assert harness.blocks_used == 0
    for request, prompt, params in asked:
        if params.beam is not None:
            check(harness, request, search(prompt, params, END_TOKENS))
            continue
        for index in range(params.n):
            expected = fake_model.expected_tokens(prompt, params, index=index, stop_token_ids=END_TOKENS)
            assert harness.outcomes[request].tokens[index] == expected


@pytest.mark.parametrize(
    "wrong", [{"width": 0}, {"width": 1000}, {"width": 2.5}, {"width": 2, "length_penalty": "much"}]
)
def test_what_is_no_beam_search_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        BeamSearch(**wrong)


def test_no_more_answers_than_beams() -> None:
    with pytest.raises(InvalidRequest, match="fewer than n"):
        beams(2, n=3)
