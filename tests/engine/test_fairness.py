"""Clients share alike, priorities go first, and nobody waits for ever."""

from collections.abc import Sequence as Listed

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.engine.fairness import fair_order, share_tokens
from sevenb.engine.messages import AddRequest
from sevenb.engine.request import Request
from sevenb.engine.sampling_params import SamplingParams
from sevenb.engine.sequence import Sequence
from tests.engine.fake_model import expected_tokens
from tests.engine.harness import Harness
from tests.engine.test_engine import prompt_of


def greedy(max_tokens: int) -> SamplingParams:
    return SamplingParams(temperature=0, max_tokens=max_tokens)


def sequences(*asked: tuple[str, int, int]) -> list[Sequence]:
    """A prompt for each client, length and priority, in order of arrival."""
    made = []
    for order, (client, length, priority) in enumerate(asked):
        message = AddRequest(
            request_id=f"{order}",
            prompt_token_ids=[1] * length,
            params=SamplingParams(),
            stop_token_ids=[],
            arrival=0.0,
            priority=priority,
            client=client,
        )
        made.append(Sequence.first_of(Request.of(message, order=order, max_model_len=10**6, entropy=0)))
    return made


def shares(budget: int, *asked: tuple[str, int, int]) -> list[int]:
    prompts = sequences(*asked)
    shared = dict(share_tokens(prompts, budget))
    return [shared.get(prompt, 0) for prompt in prompts]


# -- who gets which part of a step -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ([("a", 900, 0)], [100]),
        ([("a", 30, 0)], [30]),
        ([("a", 900, 0), ("a", 20, 0)], [80, 20]),
        ([("a", 900, 0), ("a", 900, 0)], [50, 50]),
        ([("a", 900, 0), ("a", 900, 0), ("a", 20, 0)], [50, 30, 20]),
        ([("a", 10, 0), ("a", 900, 0), ("a", 20, 0)], [10, 70, 20]),
        ([("a", 900, 0), ("b", 900, 0)], [50, 50]),
        ([("a", 900, 0)] * 4 + [("b", 900, 0)], [25, 25, 0, 0, 50]),
        ([("a", 900, 0), ("b", 10, 0), ("c", 900, 0)], [45, 10, 45]),
        ([("a", 900, 1), ("b", 900, 0)], [0, 100]),
        ([("a", 900, 1), ("b", 30, 0), ("a", 900, 1)], [35, 30, 35]),
    ],
)
def test_a_step_is_shared(asked: list[tuple[str, int, int]], expected: list[int]) -> None:
    assert shares(100, *asked) == expected


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 50), st.integers(0, 2)), min_size=1, max_size=12),
    st.integers(0, 200),
)
def test_all_of_a_step_is_used_and_none_twice(asked: list[tuple[str, int, int]], budget: int) -> None:
    given_out = shares(budget, *asked)
    assert all(0 <= share <= length for share, (_, length, _) in zip(given_out, asked, strict=True))
    assert sum(given_out) == min(budget, sum(length for _, length, _ in asked))


def test_every_client_stands_before_anybodys_second_sequence() -> None:
    asked = [("a", 1, 0), ("a", 1, 0), ("b", 1, 0), ("a", 1, -1), ("b", 1, 0), ("c", 1, 0)]
    order = [int(sequence.request.request_id) for sequence in fair_order(sequences(*asked))]
    assert order == [3, 0, 2, 5, 1, 4]


# -- whole engines -----------------------------------------------------------------------------------


def first_tokens(harness: Harness, requests: Listed[str], *, most_steps: int = 10_000) -> list[str]:
    """The requests in the order of their first tokens."""
    order: list[str] = []
    for _ in range(most_steps):
        if not harness.engine.has_work:
            break
        harness.step()
        order += [request for request in requests if harness.outcomes[request].tokens and request not in order]
    return order


@pytest.mark.parametrize("seats", [4, 60])
def test_fifty_requests_of_one_client_do_not_starve_another(seats: int) -> None:
    harness = Harness(blocks=2000, max_num_seqs=seats, max_num_batched_tokens=64)
    harness.decoder.step_seconds = 0.04  # as much as forty tokens
    many = [harness.add(prompt_of(100, seed), greedy(20), client="many") for seed in range(50)]
    for _ in range(20):
        harness.step()
    one = harness.add(prompt_of(100, 99), greedy(20), client="one")
    steps = 0
    while not harness.outcomes[one].tokens:
        harness.step()
        steps += 1
    assert steps <= 8
    assert sum(harness.outcomes[request].finished for request in many) < 10
    harness.run()
    for seed, request in enumerate(many):
        assert harness.outcomes[request].tokens[0] == expected_tokens(prompt_of(100, seed), greedy(20))


def test_a_newcomer_takes_the_seat_of_a_client_that_has_several() -> None:
    harness = Harness(max_num_seqs=2)
    long = [harness.add(prompt_of(5, seed), greedy(60), client="many") for seed in range(2)]
    harness.step()
    one = harness.add(prompt_of(5, 9), greedy(5), client="one")
    harness.run()
    assert harness.engine.stats().preemptions == 1
    assert harness.outcomes[one].timings is not None
    for seed, request in enumerate(long):
        assert harness.outcomes[request].tokens[0] == expected_tokens(prompt_of(5, seed), greedy(60))


def test_a_newcomer_takes_no_seat_from_a_client_that_has_but_one() -> None:
    harness = Harness(max_num_seqs=2)
    for client in ("a", "b", "c", "d"):
        harness.add(prompt_of(5, ord(client)), greedy(30), client=client)
    harness.run()
    assert harness.engine.stats().preemptions == 0


def test_no_client_gets_others_out_for_more_than_its_share_of_the_pool() -> None:
    harness = Harness(blocks=40, block_size=4, max_num_seqs=8)
    streams = [harness.add(prompt_of(20, seed), greedy(20), client="streams") for seed in range(3)]
    harness.step()
    document = harness.add(prompt_of(120, 7), greedy(5), client="document")
    harness.run()
    assert harness.engine.stats().preemptions == 0
    assert all(harness.outcomes[request].finished for request in [*streams, document])


def test_an_urgent_request_takes_seat_and_blocks_of_less_urgent_ones() -> None:
    harness = Harness(blocks=40, block_size=4, max_num_seqs=3)
    patient = [harness.add(prompt_of(20, seed), greedy(30), priority=5) for seed in range(3)]
    for _ in range(4):
        harness.step()
    urgent = harness.add(prompt_of(100, 7), greedy(5), priority=-1)
    harness.step()
    assert harness.outcomes[urgent].tokens or harness.engine._scheduler.running[0].request.request_id == urgent
    order = []
    while harness.engine.has_work:
        order += [report.request_id for report in harness.step() if harness.outcomes[report.request_id].finished]
    assert order[0] == urgent
    assert 0 < harness.engine.stats().preemptions <= 3
    for seed, request in enumerate(patient):
        assert harness.outcomes[request].tokens[0] == expected_tokens(prompt_of(20, seed), greedy(30))


def test_nobody_is_preempted_in_vain() -> None:
    harness = Harness(blocks=40, block_size=4, max_num_seqs=8)
    harness.add(prompt_of(100, 1), greedy(20), priority=0)
    harness.add(prompt_of(20, 2), greedy(20), priority=5)
    harness.step()
    harness.add(prompt_of(100, 3), greedy(5), priority=1)  # does not fit, even without the second
    harness.step()
    assert harness.engine.stats().preemptions == 0
    harness.run()


def test_a_patient_request_is_served_in_the_end() -> None:
    harness = Harness(max_num_seqs=2)
    patient = harness.add(prompt_of(5), greedy(10), priority=9)
    for seed in range(30):
        harness.add(prompt_of(5, seed), greedy(4), priority=0)
    harness.run()
    assert harness.outcomes[patient].tokens[0] == expected_tokens(prompt_of(5), greedy(10))


@pytest.mark.parametrize("streams", [0, 2])
def test_a_short_prompt_has_its_first_token_within_two_steps_of_a_long_ones(streams: int) -> None:
    harness = Harness(blocks=1000, max_num_batched_tokens=64)
    for seed in range(streams):
        harness.add(prompt_of(5, seed), greedy(400))
    harness.decoder.step_seconds = 0.04  # as much as forty tokens
    for _ in range(3):
        harness.step()
    harness.add(prompt_of(2000, 8), greedy(5))
    for _ in range(6):
        harness.step()
    short = harness.add(prompt_of(20, 9), greedy(5))
    harness.step()
    harness.step()
    assert harness.outcomes[short].tokens
