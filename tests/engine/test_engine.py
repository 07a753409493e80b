"""What a client of the engine can rely on, whatever else the engine is doing."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.scheduler import Scheduler
from sevenb.engine.sequence import Sequence
from sevenb.errors import ContextOverflow, InvalidRequest
from tests.engine.fake_model import VOCAB_SIZE, expected_tokens, log_softmax, logits_after
from tests.engine.harness import Harness

GREEDY = SamplingParams(temperature=0, max_tokens=24)
SEEDED = SamplingParams(seed=7, max_tokens=24)


def prompt_of(length: int, seed: int = 0) -> list[int]:
    return random.Random(f"{length} {seed}").choices(range(VOCAB_SIZE), k=length)


# -- the same text, whatever happens -------------------------------------------------------------------


@pytest.mark.parametrize("params", [GREEDY, SEEDED])
@pytest.mark.parametrize("budget", [1, 2, 3, 5, 8, 31, 512])
def test_text_does_not_depend_on_how_a_prompt_is_cut_into_chunks(params: SamplingParams, budget: int) -> None:
    harness = Harness(max_num_batched_tokens=budget, max_num_seqs=1)
    prompt = prompt_of(57)
    assert harness.generate(prompt, params) == expected_tokens(prompt, params)
    assert max(batch.tokens for batch in harness.decoder.batches) == min(budget, 57)


@pytest.mark.parametrize("caching", [True, False])
def test_text_does_not_depend_on_who_else_is_in_the_batch(caching: bool) -> None:
    prompts = [prompt_of(length, seed=1) for length in (1, 3, 4, 5, 17, 40, 64, 90)]
    params = [SamplingParams(seed=seed, temperature=seed % 3, max_tokens=20 + seed) for seed in range(8)]
    harness = Harness(blocks=200, enable_prefix_caching=caching)
    requests = [harness.add(prompt, wanted) for prompt, wanted in zip(prompts, params, strict=True)]
    harness.run()
    for request, prompt, wanted in zip(requests, prompts, params, strict=True):
        assert harness.outcomes[request].tokens[0] == expected_tokens(prompt, wanted)
    assert max(len(batch.context_lengths) for batch in harness.decoder.batches) == 8


def test_a_warm_prefix_cache_saves_work_and_changes_nothing() -> None:
    harness = Harness(block_size=4)
    prompt = prompt_of(30)
    cold = harness.generate(prompt, SEEDED, request_id="cold")
    before = sum(batch.tokens for batch in harness.decoder.batches)
    warm = harness.generate(prompt, SEEDED, request_id="warm")
    assert cold == warm == expected_tokens(prompt, SEEDED)
    assert harness.outcomes["cold"].cached_tokens == 0
    assert harness.outcomes["warm"].cached_tokens == 28
    assert sum(batch.tokens for batch in harness.decoder.batches) - before == 30 - 28 + 23


def test_a_cached_prompt_still_computes_its_last_token() -> None:
    harness = Harness(block_size=4)
    prompt = prompt_of(32)
    harness.generate(prompt, GREEDY)
    assert harness.generate(prompt, GREEDY, request_id="warm") == expected_tokens(prompt, GREEDY)
    assert harness.outcomes["warm"].cached_tokens == 28


def test_an_answer_is_found_in_the_cache_by_the_next_turn() -> None:
    harness = Harness(block_size=4)
    prompt = prompt_of(10)
    answer = harness.generate(prompt, GREEDY)
    turn = [*prompt, *answer, *prompt_of(5, seed=2)]
    assert harness.generate(turn, GREEDY, request_id="turn") == expected_tokens(turn, GREEDY)
    assert harness.outcomes["turn"].cached_tokens == (10 + 23) // 4 * 4  # the last token's keys were never computed


def test_nothing_is_cached_when_prefix_caching_is_off() -> None:
    harness = Harness(enable_prefix_caching=False)
    prompt = prompt_of(30)
    for name in ("first", "second"):
        assert harness.generate(prompt, GREEDY, request_id=name) == expected_tokens(prompt, GREEDY)
        assert harness.outcomes[name].cached_tokens == 0


def test_preemption_is_invisible() -> None:
    harness = Harness(blocks=24, block_size=4, max_num_seqs=8, max_num_batched_tokens=32)
    params = [SamplingParams(seed=seed, max_tokens=40) for seed in range(6)]
    requests = [harness.add(prompt_of(9, seed), wanted) for seed, wanted in enumerate(params)]
    harness.run()
    assert harness.engine.stats().preemptions > 0
    for seed, (request, wanted) in enumerate(zip(requests, params, strict=True)):
        outcome = harness.outcomes[request]
        assert outcome.tokens[0] == expected_tokens(prompt_of(9, seed), wanted)
        assert outcome.timings is not None
        assert outcome.timings.completion_tokens == 40
    assert harness.blocks_used == 0


# -- several answers to one prompt ---------------------------------------------------------------------


@pytest.mark.parametrize("length", [12, 13, 15])
def test_sequences_of_a_request_share_its_prompt(length: int) -> None:
    harness = Harness(block_size=4, max_num_batched_tokens=64)
    params = SamplingParams(n=5, seed=3, max_tokens=9)
    prompt = prompt_of(length)
    request = harness.add(prompt, params)
    harness.step()
    assert harness.blocks_used == -(-length // 4)  # all five stand on the same blocks
    assert harness.decoder.batches[0].tokens == length
    harness.step()
    assert harness.blocks_used == length // 4 + 5
    assert len(harness.backend.copied) == (0 if length % 4 == 0 else 4)
    harness.run()
    texts = harness.outcomes[request].tokens
    assert texts == {index: expected_tokens(prompt, params, index=index) for index in range(5)}
    assert len({tuple(text) for text in texts.values()}) == 5
    assert harness.blocks_used == 0


def test_more_sequences_than_seats_take_turns() -> None:
    harness = Harness(block_size=4, max_num_seqs=4, max_num_batched_tokens=16)
    params = SamplingParams(n=11, seed=3, max_tokens=9)
    prompt = prompt_of(21)
    request = harness.add(prompt, params)
    harness.run()
    texts = harness.outcomes[request].tokens
    assert texts == {index: expected_tokens(prompt, params, index=index) for index in range(11)}
    assert max(len(batch.context_lengths) for batch in harness.decoder.batches) == 4


@pytest.mark.parametrize("steps", [0, 1, 2, 4])
@pytest.mark.parametrize("aborted", [0, 1, 2])
def test_one_of_several_sequences_can_be_aborted_at_any_time(steps: int, aborted: int) -> None:
    harness = Harness(block_size=4, max_num_seqs=8, max_num_batched_tokens=8)
    params = SamplingParams(n=3, seed=3, max_tokens=9)
    prompt = prompt_of(14)
    request = harness.add(prompt, params)
    for _ in range(steps):
        harness.step()
    harness.engine.abort(request, aborted)
    harness.run()
    outcome = harness.outcomes[request]
    assert outcome.finished
    for index in range(3):
        expected = expected_tokens(prompt, params, index=index)
        if index == aborted:
            assert outcome.finish_reasons[index] == "abort"
            assert outcome.tokens[index] == expected[: len(outcome.tokens[index])]
        else:
            assert outcome.finish_reasons[index] == "length"
            assert outcome.tokens[index] == expected
    assert harness.blocks_used == 0


# -- how a sequence ends -------------------------------------------------------------------------------


def test_a_stop_token_ends_a_sequence_and_is_named() -> None:
    harness = Harness()
    prompt = prompt_of(9)
    free_run = expected_tokens(prompt, GREEDY)
    stop = free_run[5]
    request = harness.add(prompt, GREEDY, stop_token_ids=[stop])
    harness.run()
    outcome = harness.outcomes[request]
    assert outcome.tokens[0] == free_run[: free_run.index(stop) + 1]
    assert (outcome.finish_reasons[0], outcome.stop_token_ids[0]) == ("stop", stop)


def test_max_tokens_ends_a_sequence() -> None:
    harness = Harness()
    request = harness.add(prompt_of(9), GREEDY)
    harness.run()
    assert len(harness.outcomes[request].tokens[0]) == 24
    assert harness.outcomes[request].finish_reasons == {0: "length"}


@pytest.mark.parametrize("max_tokens", [None, 1000])
def test_the_context_ends_a_sequence(max_tokens: int | None) -> None:
    harness = Harness(max_model_len=40)
    request = harness.add(prompt_of(9), SamplingParams(temperature=0, max_tokens=max_tokens))
    harness.run()
    assert len(harness.outcomes[request].tokens[0]) == 40 - 9
    assert harness.outcomes[request].finish_reasons == {0: "length"}


def test_no_end_token_is_drawn_before_min_tokens() -> None:
    harness = Harness()
    stops = list(range(0, VOCAB_SIZE, 2))
    params = SamplingParams(seed=1, min_tokens=10, max_tokens=60)
    prompt = prompt_of(5)
    text = harness.generate(prompt, params, stop_token_ids=stops)
    assert text == expected_tokens(prompt, params, stop_token_ids=stops)
    assert not set(text[:10]) & set(stops)
    assert text[-1] in stops
    assert len(text) < 60


# -- sampling ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(seed=1, max_tokens=30, repetition_penalty=1.3),
        SamplingParams(seed=2, max_tokens=30, presence_penalty=1.5, frequency_penalty=0.5),
        SamplingParams(temperature=0, max_tokens=30, frequency_penalty=2.0),
        SamplingParams(seed=3, max_tokens=30, top_k=5),
        SamplingParams(seed=4, max_tokens=30, top_p=0.6, temperature=1.7),
        SamplingParams(seed=5, max_tokens=30, min_p=0.2, top_k=-1),
        SamplingParams(seed=-6, max_tokens=30, logit_bias={3: 100.0, 5: -100.0}),
    ],
)
def test_every_sampling_parameter_reaches_the_sampler(params: SamplingParams) -> None:
    prompt = prompt_of(20)
    harness = Harness(blocks=16, block_size=4)
    harness.add(prompt_of(20, seed=9), SamplingParams(seed=1, max_tokens=30))  # so that there is preemption, too
    text = harness.generate(prompt, params)
    assert text == expected_tokens(prompt, params)
    plain = SamplingParams(seed=params.seed, temperature=params.temperature, max_tokens=30)
    assert text != expected_tokens(prompt, plain)


def test_requests_without_a_seed_differ_and_an_engine_seed_repeats_them() -> None:
    def texts(seed: int | None) -> list[list[int]]:
        harness = Harness(seed=seed)
        return [harness.generate(prompt_of(8), SamplingParams(max_tokens=20)) for _ in range(2)]

    first, second = texts(1), texts(1)
    assert first == second
    assert first[0] != first[1]
    assert texts(None) != texts(None)


def test_logprobs_are_the_models_own() -> None:
    harness = Harness()
    prompt = prompt_of(11)
    params = SamplingParams(seed=1, max_tokens=8, logprobs=3, temperature=2.0, logit_bias={4: 30.0})
    request = harness.add(prompt, params)
    harness.run()
    records = harness.outcomes[request].records[0]
    history = list(prompt)
    for record in records:
        logprobs = log_softmax(logits_after(history))
        assert record.logprob == pytest.approx(logprobs[record.token_id])
        assert [value for _, value in record.top_logprobs] == pytest.approx(sorted(logprobs)[:-4:-1])
        history.append(record.token_id)


@pytest.mark.parametrize("length", [1, 2, 33, 200])
def test_prompt_logprobs_cover_the_prompt_even_where_it_is_cached(length: int) -> None:
    harness = Harness(blocks=100)
    prompt = prompt_of(length)
    harness.generate(prompt, GREEDY)
    request = harness.add(prompt, SamplingParams(temperature=0, max_tokens=3, prompt_logprobs=2, n=2))
    harness.run()
    records = harness.outcomes[request].prompt_logprobs
    assert records is not None
    assert [record.token_id for record in records] == prompt[1:]
    for position, record in enumerate(records):
        logprobs = log_softmax(logits_after(prompt[: position + 1]))
        assert record.logprob == pytest.approx(logprobs[record.token_id])
        assert [value for _, value in record.top_logprobs] == pytest.approx(sorted(logprobs)[:-3:-1])
    assert max(len(batch.logit_rows) for batch in harness.decoder.batches) <= 64 + 2


# -- refusals, cancellation, failures ------------------------------------------------------------------


def test_a_prompt_as_long_as_the_context_is_refused_at_arrival() -> None:
    harness = Harness(max_model_len=40)
    with pytest.raises(ContextOverflow, match=r"40 tokens.*holds 40"):
        harness.add(prompt_of(40), GREEDY)
    assert not harness.engine.has_work


@pytest.mark.parametrize(
    ("prompt", "params", "parameter"),
    [
        ([], GREEDY, "prompt"),
        ([1, VOCAB_SIZE], GREEDY, "prompt"),
        ([1, -1], GREEDY, "prompt"),
        ([1], SamplingParams(logit_bias={VOCAB_SIZE: 1.0}), "logit_bias"),
    ],
)
def test_what_can_never_be_served_is_refused_by_name(prompt: list[int], params: SamplingParams, parameter: str) -> None:
    harness = Harness()
    with pytest.raises(InvalidRequest) as refusal:
        harness.add(prompt, params)
    assert refusal.value.parameter == parameter
    assert not harness.engine.has_work


@pytest.mark.parametrize("steps", [0, 1, 3, 10])
def test_an_aborted_request_frees_its_blocks_before_the_next_step(steps: int) -> None:
    harness = Harness(max_num_batched_tokens=8, max_num_seqs=8)
    request = harness.add(prompt_of(30), SamplingParams(n=3, seed=1, max_tokens=100))
    other = harness.add(prompt_of(5), GREEDY)
    for _ in range(steps):
        harness.step()
    harness.engine.abort(request)
    assert all(sequence.request.request_id == other for sequence in harness.engine._scheduler.running)
    harness.step()
    outcome = harness.outcomes[request]
    assert outcome.finished
    assert outcome.timings is not None
    assert outcome.finish_reasons == {0: "abort", 1: "abort", 2: "abort"}
    harness.run()
    assert harness.outcomes[other].tokens[0] == expected_tokens(prompt_of(5), GREEDY)
    assert harness.blocks_used == 0


def test_aborting_what_is_unknown_or_over_is_no_error() -> None:
    harness = Harness()
    harness.engine.abort("nobody")
    harness.generate(prompt_of(5), GREEDY, request_id="over")
    harness.engine.abort("over")
    assert not harness.engine.has_work


@pytest.mark.parametrize("siblings", [1, 3])
def test_a_failing_request_takes_nobody_down(siblings: int) -> None:
    harness = Harness(max_num_batched_tokens=64)
    prompts = [[token + 1 for token in prompt_of(10, seed)] for seed in range(3)]
    prompts = [[token % (VOCAB_SIZE - 1) + 1 for token in prompt] for prompt in prompts]
    params = SamplingParams(n=siblings, seed=1, max_tokens=20, logit_bias={0: -100.0})
    harness.decoder.fail_on = 0
    healthy = [harness.add(prompt, params) for prompt in prompts]
    harness.step()
    sick = harness.add([0, *prompts[0]], params)
    harness.run()
    failure = harness.outcomes[sick].failure
    assert failure is not None
    assert failure.error == "SevenbError"
    assert "token 0 makes this model fail" in failure.message
    for request, prompt in zip(healthy, prompts, strict=True):
        for index in range(siblings):
            assert harness.outcomes[request].tokens[index] == expected_tokens(prompt, params, index=index)
    assert harness.blocks_used == 0
    harness.decoder.fail_on = None
    assert harness.generate([0, *prompts[0]], params)


def test_a_request_fails_as_a_whole_when_one_of_its_sequences_does() -> None:
    harness = Harness(block_size=4)
    prompt = prompt_of(10)
    params = SamplingParams(n=2, seed=1, max_tokens=20)
    first, second = (expected_tokens(prompt, params, index=index) for index in range(2))
    place = next(place for place in range(20) if second[place] not in prompt + first + second[:place])
    harness.decoder.fail_on = second[place]
    request = harness.add(prompt, params)
    harness.run()
    outcome = harness.outcomes[request]
    assert outcome.failure is not None
    assert outcome.tokens == {0: first[: place + 1], 1: second[: place + 1]}
    assert harness.blocks_used == 0


def test_a_fault_in_taking_tokens_fails_its_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Sequence.append

    def append(sequence: Sequence, token_id: int) -> None:
        if sequence.request.request_id == "sick" and sequence.output_length == 3:
            raise ZeroDivisionError("a fault of our own")
        real(sequence, token_id)

    monkeypatch.setattr(Sequence, "append", append)
    harness = Harness()
    healthy = harness.add(prompt_of(7), GREEDY)
    harness.add(prompt_of(9), SamplingParams(n=2, seed=1, max_tokens=20), request_id="sick")
    harness.run()
    failure = harness.outcomes["sick"].failure
    assert failure is not None
    assert "a fault of our own" in failure.message
    assert harness.outcomes[healthy].tokens[0] == expected_tokens(prompt_of(7), GREEDY)
    assert harness.blocks_used == 0


@pytest.mark.parametrize(
    ("part", "failed"),
    [
        ("_cached_blocks", {"newcomer"}),
        ("_make_room", {"newcomer"}),
        ("_grow", {"running", "newcomer"}),
        ("_plan_prompt", {"running", "newcomer"}),
        ("_fork", {"running", "newcomer"}),
        ("_announce_writes", {"running", "newcomer"}),
    ],
)
def test_a_fault_in_planning_fails_only_those_in_the_plan(
    monkeypatch: pytest.MonkeyPatch, part: str, failed: set[str]
) -> None:
    real: Callable[..., Any] = getattr(Scheduler, part)
    faults = iter([True])

    def faulty(scheduler: Scheduler, *arguments: Any) -> Any:
        if "newcomer" in harness.outcomes and next(faults, False):
            raise ZeroDivisionError("a fault of our own")
        return real(scheduler, *arguments)

    monkeypatch.setattr(Scheduler, part, faulty)
    harness = Harness(max_num_seqs=3)
    pair = SamplingParams(n=2, seed=1, max_tokens=20)
    harness.add(prompt_of(7), pair, request_id="running")
    harness.step()
    harness.step()
    harness.add(prompt_of(9), GREEDY, request_id="newcomer")
    harness.add(prompt_of(11), GREEDY, request_id="waiting")
    harness.run()
    outcomes = harness.outcomes
    assert {name for name, outcome in outcomes.items() if outcome.failure is not None} == failed
    for name in failed:
        assert "a fault of our own" in str(outcomes[name].failure)
    assert outcomes["waiting"].tokens[0] == expected_tokens(prompt_of(11), GREEDY)
    if "running" not in failed:
        assert outcomes["running"].tokens == {i: expected_tokens(prompt_of(7), pair, index=i) for i in range(2)}
    assert harness.blocks_used == 0


@pytest.mark.parametrize("part", ["_force", "_speculate"])
def test_a_fault_in_drafting_changes_nothing(monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def faulty(*_: Any) -> None:
        raise ZeroDivisionError("a fault of our own")

    monkeypatch.setattr(Scheduler, part, faulty)
    assert Harness().generate(prompt_of(7), GREEDY) == expected_tokens(prompt_of(7), GREEDY)


# -- numbers -------------------------------------------------------------------------------------------


def test_stats_and_timings_count_every_token() -> None:
    harness = Harness()
    prompt = prompt_of(21)
    first = harness.add(prompt, GREEDY)
    harness.run()
    second = harness.add(prompt, SamplingParams(n=2, seed=1, max_tokens=5))
    harness.run()
    stats = harness.engine.stats()
    assert (stats.prompt_tokens, stats.cached_tokens, stats.generated_tokens) == (42, 20, 24 + 10)
    assert (stats.running, stats.waiting, stats.kv_blocks_used, stats.kv_blocks_total) == (0, 0, 0, 64)
    for request, cached, generated in ((first, 0, 24), (second, 20, 10)):
        timings = harness.outcomes[request].timings
        assert timings is not None
        assert (timings.prompt_tokens, timings.cached_tokens, timings.completion_tokens) == (21, cached, generated)
        assert min(timings.queue, timings.prefill, timings.decode) >= 0


def test_best_of_generates_all_candidates_with_their_log_probabilities() -> None:
    harness = Harness()
    params = SamplingParams(n=1, best_of=3, seed=2, max_tokens=6)
    request = harness.add(prompt_of(5), params)
    harness.run()
    outcome = harness.outcomes[request]
    for index in range(3):
        assert outcome.tokens[index] == expected_tokens(prompt_of(5), params, index=index)
        assert all(record.logprob is not None for record in outcome.records[index])
