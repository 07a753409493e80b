"""Who gets which share of a step, and who has to wait."""

import pytest

from sevenb.engine.sampling_params import SamplingParams
from tests.engine.fake_model import expected_tokens
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of


def greedy(max_tokens: int) -> SamplingParams:
    return SamplingParams(temperature=0, max_tokens=max_tokens)


def test_a_long_prompt_never_stalls_the_streams_of_others() -> None:
    harness = Harness(blocks=300, max_num_batched_tokens=64)
    stream = harness.add(prompt_of(10), greedy(60))
    harness.step()
    long = harness.add(prompt_of(900), greedy(5))
    while not harness.outcomes[long].tokens:
        before = len(harness.outcomes[stream].tokens[0])
        harness.step()
        assert len(harness.outcomes[stream].tokens[0]) == min(before + 1, 60)


def test_a_step_stays_short_while_somebody_reads_along() -> None:
    harness = Harness(blocks=300, max_num_batched_tokens=64)
    harness.add(prompt_of(10), greedy(9))
    harness.step()
    harness.add(prompt_of(400), greedy(5))
    harness.run()
    # One step alone to see what it costs: 11 ms; then 2.3 times that, where a token costs 1 ms.
    assert [batch.tokens for batch in harness.decoder.batches[1:12]] == [1, 8, 8, 12, 12, 12, 12, 12, 64, 64, 64]


def test_a_short_prompt_overtakes_a_long_one_that_came_before() -> None:
    harness = Harness(blocks=300, max_num_batched_tokens=64)
    long = harness.add(prompt_of(900), greedy(5))
    harness.step()
    short = harness.add(prompt_of(20), greedy(5))
    harness.step()
    assert harness.outcomes[short].tokens
    harness.run()
    assert harness.outcomes[long].tokens[0] == expected_tokens(prompt_of(900), greedy(5))


def test_first_come_first_served() -> None:
    harness = Harness(max_num_seqs=1)
    requests = [harness.add(prompt_of(5, seed), greedy(4)) for seed in range(5)]
    finished = []
    while harness.engine.has_work:
        finished += [report.request_id for report in harness.step() if harness.outcomes[report.request_id].finished]
    assert finished == requests


def test_a_smaller_priority_runs_sooner() -> None:
    harness = Harness(max_num_seqs=1)
    priorities = [2, 0, 1, 0, -3]
    requests = [
        harness.add(prompt_of(5, seed), greedy(4), priority=priority) for seed, priority in enumerate(priorities)
    ]
    finished = []
    while harness.engine.has_work:
        finished += [report.request_id for report in harness.step() if harness.outcomes[report.request_id].finished]
    assert finished == [requests[place] for place in (4, 1, 3, 2, 0)]


@pytest.mark.parametrize(("priorities", "victim"), [((0, 0, 0), 2), ((1, 0, 0), 0), ((0, 2, 1), 1)])
def test_the_last_in_rank_is_preempted(priorities: tuple[int, ...], victim: int) -> None:
    harness = Harness(blocks=11, block_size=4)
    for seed, priority in enumerate(priorities):
        harness.add(prompt_of(9, seed), greedy(8), priority=priority, request_id=str(seed))
    while harness.engine.has_work and not harness.engine.stats().preemptions:
        harness.step()
    assert [sequence.request.request_id for sequence in harness.engine._scheduler.waiting] == [str(victim)]
    harness.run()
    for seed in range(3):
        assert harness.outcomes[str(seed)].tokens[0] == expected_tokens(prompt_of(9, seed), greedy(8))


def test_a_preempted_sequence_finds_its_own_blocks_again() -> None:
    harness = Harness(blocks=24, block_size=4)
    lengths = [10, 10, 10, 16]
    for seed, length in enumerate(lengths):
        harness.add(prompt_of(16, seed), greedy(length))
    harness.run()
    assert harness.engine.stats().preemptions == 1
    computed = sum(batch.tokens for batch in harness.decoder.batches)
    computed_anew = computed - sum(16 + length - 1 for length in lengths)
    assert 0 < computed_anew < 16  # of the 24 tokens that it had


def test_no_step_exceeds_its_limits() -> None:
    harness = Harness(blocks=400, max_num_seqs=6, max_num_batched_tokens=24)
    for seed in range(20):
        harness.add(prompt_of(1 + 13 * seed % 70, seed), SamplingParams(n=1 + seed % 3, seed=seed, max_tokens=12))
    harness.run()
    assert max(batch.tokens for batch in harness.decoder.batches) <= 24
    assert max(len(batch.context_lengths) for batch in harness.decoder.batches) == 6


def test_many_streams_decode_in_one_batch() -> None:
    harness = Harness(blocks=200, max_num_batched_tokens=512)
    for seed in range(30):
        harness.add(prompt_of(5, seed), greedy(10))
    harness.run()
    assert harness.engine.stats().steps == 10


def test_a_request_that_fits_only_alone_is_served() -> None:
    harness = Harness(blocks=10, block_size=4)
    others = [harness.add(prompt_of(6, seed), greedy(10)) for seed in range(3)]
    large = harness.add(prompt_of(35), greedy(5))
    harness.run()
    assert harness.outcomes[large].tokens[0] == expected_tokens(prompt_of(35), greedy(5))
    assert all(harness.outcomes[request].finished for request in others)


def test_a_newcomer_waits_where_it_would_be_preempted_at_once() -> None:
    harness = Harness(blocks=8, block_size=4)
    running = harness.add(prompt_of(7), greedy(10))
    harness.step()
    newcomer = harness.add(prompt_of(24), greedy(4))  # takes all the blocks that are free now
    harness.run()
    assert harness.engine.stats().preemptions == 0
    assert all(harness.outcomes[request].finished for request in (running, newcomer))
