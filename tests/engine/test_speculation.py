"""Drafts change how fast an answer comes and nothing else, whoever guesses and however badly."""

import random
from collections import Counter
from collections.abc import Sequence as Listed
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.engine.request import Request
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.sequence import Sequence
from tests.engine.fake_model import VOCAB_SIZE, expected_tokens, logits_after
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of

END_TOKENS = [0, 1]


class Oracle:
    """Knows what comes, and says it with mistakes: a share of the guesses is wrong."""

    def __init__(self, *, mistakes: float = 0.0, most: int = 7, seed: int = 0) -> None:
        self.tried: list[tuple[int, int]] = []  # drafted, accepted
        self.forgotten: list[Request] = []
        self._mistakes = mistakes
        self._most = most
        self._chance = random.Random(seed)

    def draft(
        self, sequences: Listed[Sequence], rooms: Listed[int], *, step_tokens: int, budget: int
    ) -> list[list[int]]:
        drafts = []
        for sequence, room in zip(sequences, rooms, strict=True):
            assert sequence.uncomputed == 1
            assert room >= 0
            guesses = self._guess(sequence)[: min(room, budget, self._chance.randint(0, self._most))]
            budget -= len(guesses)
            drafts.append(guesses)
        return drafts

    def would_draft(self, sequences: Listed[Sequence], rooms: Listed[int], *, budget: int) -> bool:
        return True

    def read(self, request: Request, tokens: int) -> None:
        pass

    def verified(self, sequence: Sequence, *, drafted: int, accepted: int) -> None:
        assert 0 <= accepted <= drafted
        self.tried.append((drafted, accepted))

    def timed(self, *, sequences: int, drafts: int, seconds: float) -> None:
        pass

    def forget(self, request: Request) -> None:
        assert request not in self.forgotten
        self.forgotten.append(request)

    def _guess(self, sequence: Sequence) -> list[int]:
        request = sequence.request
        output = expected_tokens(
            request.prompt_token_ids,
            request.params,
            index=sequence.index,
            stop_token_ids=sorted(request.stop_token_ids),
            max_model_len=len(request.prompt_token_ids) + request.max_output,
        )
        guesses = output[sequence.output_length :] + [5] * self._most
        return [
            self._chance.randrange(VOCAB_SIZE) if self._chance.random() < self._mistakes else token for token in guesses
        ]


def greedy(max_tokens: int = 40) -> SamplingParams:
    return SamplingParams(temperature=0, max_tokens=max_tokens)


PARAMS = {
    "greedy": greedy(),
    "sampled": SamplingParams(temperature=1.0, seed=3, max_tokens=40),
    "top-k, top-p, min-p": SamplingParams(temperature=1.3, top_k=20, top_p=0.9, min_p=0.02, seed=4, max_tokens=40),
    "penalties": SamplingParams(
        temperature=0.7, seed=5, max_tokens=40, repetition_penalty=1.2, presence_penalty=0.4, frequency_penalty=0.6
    ),
    "greedy with penalties": SamplingParams(temperature=0, max_tokens=40, frequency_penalty=1.5),
    "least length": SamplingParams(temperature=1.0, seed=6, max_tokens=40, min_tokens=25),
    "bias": SamplingParams(temperature=1.0, seed=7, max_tokens=40, logit_bias={7: 3.0, 0: -4.0}),
}


@pytest.mark.parametrize("mistakes", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS)
def test_the_text_is_the_same_as_without_drafts(params: SamplingParams, mistakes: float) -> None:
    oracle = Oracle(mistakes=mistakes)
    harness = Harness(speculator=oracle)
    for seed in range(6):
        expected = expected_tokens(prompt_of(9, seed), params, stop_token_ids=END_TOKENS)
        assert harness.generate(prompt_of(9, seed), params, stop_token_ids=END_TOKENS) == expected
    drafted, accepted = (sum(numbers) for numbers in zip(*oracle.tried, strict=True))
    assert drafted > 20
    if mistakes == 0:
        assert accepted > drafted * 0.8  # all but those beyond a stop token
    assert harness.engine.stats().drafted_tokens == drafted
    assert harness.engine.stats().accepted_tokens == accepted


def test_right_drafts_save_steps() -> None:
    params = greedy(60)
    plain, drafted = Harness(), Harness(speculator=Oracle())
    assert plain.generate(prompt_of(5), params) == drafted.generate(prompt_of(5), params)
    assert plain.engine.stats().steps == 60
    assert drafted.engine.stats().steps < 25


class Gambler(Oracle):
    """Guesses one of the tokens that may come, whatever comes."""

    def _guess(self, sequence: Sequence) -> list[int]:
        history = list(sequence.token_ids)
        for _ in range(2):
            history.append(self._chance.choice(likeliest(history, 3)))
        return history[-2:]


def likeliest(history: list[int], count: int) -> list[int]:
    return [int(token) for token in np.argsort(-logits_after(history))[:count]]


def test_samples_are_distributed_as_the_model_says() -> None:
    """Pearson's chi-squared test over all answers of three tokens, each one of three."""
    prompt, answers = prompt_of(6), 30 * 64
    harness = Harness(blocks=400, speculator=Gambler())
    for seed in range(answers // 64):
        harness.add(prompt, SamplingParams(n=64, temperature=1.0, top_k=3, seed=seed, max_tokens=3))
        harness.run()
    seen = Counter(tuple(tokens) for outcome in harness.outcomes.values() for tokens in outcome.tokens.values())
    statistic, outcomes = 0.0, 0
    for first, second, third in product(range(3), repeat=3):
        history, probability = list(prompt), 1.0
        for choice in (first, second, third):
            best = likeliest(history, 3)
            weights = np.exp(logits_after(history)[best])
            probability *= float(weights[choice] / weights.sum())
            history.append(best[choice])
        expected = probability * answers
        statistic += (seen[tuple(history[-3:])] - expected) ** 2 / expected
        outcomes += 1
    assert harness.engine.stats().accepted_tokens > answers / 10
    assert harness.engine.stats().accepted_tokens < harness.engine.stats().drafted_tokens / 2
    assert sum(seen.values()) == answers
    assert outcomes == 27
    assert statistic < 54.1  # 26 degrees of freedom: one set of true samples in a thousand exceeds that


def test_log_probabilities_are_those_of_each_token_in_its_place() -> None:
    params = SamplingParams(temperature=0.9, seed=8, max_tokens=30, logprobs=3)
    plain, drafted = Harness(), Harness(speculator=Oracle(mistakes=0.2))
    requests = [harness.add(prompt_of(8), params) for harness in (plain, drafted)]
    plain.run()
    drafted.run()
    records = [
        harness.outcomes[request].records[0] for harness, request in zip((plain, drafted), requests, strict=True)
    ]
    assert records[0] == records[1]
    assert len(records[0]) == 30


@pytest.mark.parametrize("max_tokens", [1, 2, 3, 8])
def test_never_more_tokens_than_asked_for(max_tokens: int) -> None:
    harness = Harness(speculator=Oracle())
    request = harness.add(prompt_of(5), greedy(max_tokens))
    harness.run()
    assert len(harness.outcomes[request].tokens[0]) == max_tokens
    assert harness.outcomes[request].finish_reasons[0] == "length"


def test_never_a_position_beyond_the_context() -> None:
    harness = Harness(blocks=5, block_size=4, speculator=Oracle())
    request = harness.add(prompt_of(10), greedy(1000))
    harness.run()
    assert len(harness.outcomes[request].tokens[0]) == 10
    assert max(int(batch.positions.max()) for batch in harness.decoder.batches) <= 18


def test_a_stop_token_among_right_drafts_ends_the_answer() -> None:
    params = greedy(50)
    plain = expected_tokens(prompt_of(6), params)
    stop = next(token for place, token in enumerate(plain) if place > 9 and token not in plain[:place])
    for seed in range(8):
        harness = Harness(speculator=Oracle(most=20, seed=seed))
        request = harness.add(prompt_of(6), params, stop_token_ids=[stop])
        harness.run()
        assert harness.outcomes[request].tokens[0] == plain[: plain.index(stop) + 1]
        assert harness.outcomes[request].finish_reasons[0] == "stop"
        assert harness.outcomes[request].stop_token_ids[0] == stop
        assert harness.blocks_used == 0


def test_what_was_drafted_is_told_with_the_timings() -> None:
    oracle = Oracle(mistakes=0.3)
    harness = Harness(speculator=oracle)
    request = harness.add(prompt_of(6), greedy())
    harness.run()
    timings = harness.outcomes[request].timings
    assert timings is not None
    assert timings.drafted_tokens == sum(drafted for drafted, _ in oracle.tried)
    assert timings.accepted_tokens == sum(accepted for _, accepted in oracle.tried)
    assert timings.completion_tokens == 40


def test_wrong_drafts_never_reach_the_prefix_cache() -> None:
    params = SamplingParams(temperature=1.0, seed=1, max_tokens=50)
    harness = Harness(block_size=2, speculator=Oracle(mistakes=0.5))
    output = harness.generate(prompt_of(6), params)
    for length in range(0, 50, 7):
        prompt = prompt_of(6) + output[:length]
        again = harness.add(prompt, greedy(6))
        harness.run()
        assert harness.outcomes[again].tokens[0] == expected_tokens(prompt, greedy(6))
        assert harness.outcomes[again].cached_tokens >= len(prompt) - 2 - 1


def test_answers_of_one_request_draft_side_by_side() -> None:
    params = SamplingParams(n=4, temperature=1.0, seed=2, max_tokens=30)
    harness = Harness(block_size=4, speculator=Oracle(mistakes=0.2))
    request = harness.add(prompt_of(7), params, stop_token_ids=END_TOKENS)
    harness.run()
    for index in range(4):
        expected = expected_tokens(prompt_of(7), params, index=index, stop_token_ids=END_TOKENS)
        assert harness.outcomes[request].tokens[index] == expected


def test_drafts_never_cost_anybody_a_block() -> None:
    plain, drafted = (
        Harness(blocks=24, block_size=4, speculator=speculator) for speculator in (None, Oracle(mistakes=0.4))
    )
    for harness in (plain, drafted):
        for seed, length in enumerate([10, 10, 10, 16]):
            harness.add(prompt_of(16, seed), greedy(length))
        harness.run()
    assert drafted.engine.stats().preemptions <= plain.engine.stats().preemptions == 1
    assert drafted.outcomes.keys() == plain.outcomes.keys()
    for request in plain.outcomes:
        assert drafted.outcomes[request].tokens == plain.outcomes[request].tokens


def test_drafts_stay_within_the_tokens_of_a_step() -> None:
    harness = Harness(blocks=300, max_num_seqs=8, max_num_batched_tokens=16, speculator=Oracle())
    for seed in range(12):
        harness.add(prompt_of(1 + 11 * seed % 50, seed), greedy(20))
    harness.run()
    assert max(batch.tokens for batch in harness.decoder.batches) <= 16
    for seed in range(12):
        expected = expected_tokens(prompt_of(1 + 11 * seed % 50, seed), greedy(20))
        assert harness.outcomes[f"request-{seed}"].tokens[0] == expected


def test_a_request_that_is_over_is_forgotten_once() -> None:
    oracle = Oracle()
    harness = Harness(speculator=oracle)
    harness.add(prompt_of(5), SamplingParams(n=3, seed=1, max_tokens=9))
    aborted = harness.add(prompt_of(5), greedy())
    harness.step()
    harness.engine.abort(aborted)
    harness.run()
    assert len(oracle.forgotten) == 2


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_any_mixture_with_preemption_caching_and_cancellation(data: st.DataObject) -> None:
    chance = random.Random(data.draw(st.integers(0, 2**32)))
    harness = Harness(
        blocks=data.draw(st.integers(12, 40)),
        block_size=data.draw(st.integers(1, 5)),
        max_num_seqs=5,
        max_num_batched_tokens=data.draw(st.integers(5, 30)),
        enable_prefix_caching=data.draw(st.booleans()),
        speculator=Oracle(mistakes=chance.choice([0.1, 0.5]), seed=chance.randrange(100)),
    )
    asked = []
    for place in range(8):
        length = chance.randint(1, min(20, harness.max_model_len - 1))
        prompt = prompt_of(length, chance.randrange(3))
        params = SamplingParams(
            n=chance.choice([1, 1, 3]),
            seed=place,
            temperature=chance.choice([0, 0.9]),
            max_tokens=chance.randint(1, 25),
            frequency_penalty=chance.choice([0, 0.5]),
            min_tokens=chance.choice([0, 9]),
        )
        asked.append((harness.add(prompt, params, stop_token_ids=END_TOKENS), prompt, params))
        for _ in range(chance.randint(0, 4)):
            harness.step()
        if chance.random() < 0.2:
            harness.engine.abort(asked.pop(chance.randrange(len(asked)))[0])
    harness.run(most_steps=5000)
    assert harness.blocks_used == 0
    for request, prompt, params in asked:
        for index in range(params.n):
            expected = expected_tokens(
                prompt, params, index=index, stop_token_ids=END_TOKENS, max_model_len=harness.max_model_len
            )
            assert harness.outcomes[request].tokens[index] == expected
