"""Steps that are launched before the last one's tokens are known change how long answers take, and nothing else."""

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from sevenb.engine.messages import EngineStats
from sevenb.engine.sampling_params import BeamSearch, SamplingParams
from sevenb.errors import DeviceLost, NumberOverflow
from tests.engine import test_random_requests
from tests.engine.fake_model import expected_tokens
from tests.engine.harness import Harness, Outcome
from tests.engine.overlapping import OverlappingBackend, overlap
from tests.engine.test_engine import prompt_of
from tests.engine.test_speculation import Oracle

END_TOKENS = [0, 1, 2, 3]
ONE_BY_ONE = {"async_scheduling": False}


def greedy(max_tokens: int) -> SamplingParams:
    return SamplingParams(temperature=0, max_tokens=max_tokens)


@pytest.fixture(autouse=True)
def overlapping_device(monkeypatch: pytest.MonkeyPatch) -> None:
    overlap(monkeypatch)


def device_of(harness: Harness) -> OverlappingBackend:
    assert isinstance(harness.backend, OverlappingBackend)
    return harness.backend


def launched_ahead(harness: Harness) -> int:
    """How many steps were launched before the one before them was read."""
    order = device_of(harness).device.order
    return sum(kind == "launch" and after == ("read", n - 1) for (kind, n), after in pairwise(order))


def told(outcome: Outcome) -> tuple[object, ...]:
    assert outcome.timings is not None
    counted = (outcome.timings.completion_tokens, outcome.timings.cached_tokens, outcome.timings.prompt_tokens)
    return outcome.tokens, outcome.finish_reasons, outcome.stop_token_ids, outcome.cached_tokens, counted


def counters(stats: EngineStats) -> tuple[int, ...]:
    return stats.generated_tokens, stats.prompt_tokens, stats.cached_tokens, stats.steps, stats.kv_blocks_used


def the_same_as_one_by_one(drive: Callable[[Harness], None], **config: Any) -> Harness:
    """Drive two engines alike, of which one launches ahead; that one, if all that was told and counted is equal."""
    alone, ahead = Harness(**config, **ONE_BY_ONE), Harness(**config)
    for harness in (alone, ahead):
        drive(harness)
        harness.run()
    assert alone.engine._pipeline is None
    assert {name: told(outcome) for name, outcome in ahead.outcomes.items()} == {
        name: told(outcome) for name, outcome in alone.outcomes.items()
    }
    assert counters(ahead.engine.stats()) == counters(alone.engine.stats())
    assert ahead.blocks_used == 0
    return ahead


# -- what it is for ------------------------------------------------------------------------------------


def test_each_step_is_launched_before_the_one_before_it_is_read() -> None:
    harness = Harness()
    assert harness.generate(prompt_of(5), greedy(4)) == expected_tokens(prompt_of(5), greedy(4))
    assert device_of(harness).device.order == [
        *[("launch", 0), ("launch", 1), ("read", 0), ("launch", 2), ("read", 1), ("launch", 3), ("read", 2)],
        ("read", 3),  # the fourth token is the last one, and nothing is launched in vain
    ]


@pytest.mark.parametrize(("config", "host"), [({}, 0.0), (ONE_BY_ONE, 0.004)])
def test_what_the_host_does_between_steps_takes_none_of_the_device_s_time(config: dict[str, Any], host: float) -> None:
    harness = Harness(**config)
    harness.add(prompt_of(1), greedy(40))
    harness.step()
    before = harness.decoder.now
    for _ in range(30):
        harness.decoder.now += 0.004  # publishing, answering, drawing breath
        harness.step()
    assert harness.decoder.now - before == pytest.approx(30 * (0.011 + host))


@pytest.mark.parametrize("params", [greedy(9), SamplingParams(logprobs=1, max_tokens=9)], ids=["plain", "needy"])
def test_a_step_of_nothing_but_a_prompt_is_waited_for(params: SamplingParams) -> None:
    """Or nobody would learn what prompts cost."""
    harness = Harness(max_num_batched_tokens=64)
    harness.add(prompt_of(150), params)
    for tokens in (64, 64, 22):
        before = harness.decoder.now
        harness.step()
        assert harness.decoder.now - before == pytest.approx(0.01 + 0.001 * tokens)


def test_an_engine_that_shall_not_and_a_device_that_gains_nothing_launch_nothing_ahead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for config in (ONE_BY_ONE, {}):
        harness = Harness(**config)
        assert harness.generate(prompt_of(5), greedy(4)) == expected_tokens(prompt_of(5), greedy(4))
        assert not device_of(harness).device.order
        monkeypatch.setattr(OverlappingBackend, "overlaps", False)


# -- the same text and the same numbers ----------------------------------------------------------------

KINDS = [
    greedy(30),
    SamplingParams(temperature=1.0, seed=3, max_tokens=25),
    SamplingParams(temperature=1.3, top_k=20, top_p=0.9, min_p=0.02, seed=4, max_tokens=40),
    SamplingParams(temperature=1.0, seed=6, max_tokens=50, min_tokens=25),
    SamplingParams(temperature=1.0, seed=7, max_tokens=20, logit_bias={7: 3.0, 0: -4.0}),
    SamplingParams(temperature=0.9, seed=8, max_tokens=1),
    SamplingParams(temperature=0.9, seed=9, max_tokens=2),
]


def test_requests_of_every_length_with_stop_tokens_met_in_flight() -> None:
    def drive(harness: Harness) -> None:
        for seed, params in enumerate(KINDS * 2):
            harness.add(prompt_of(3 + 5 * seed, seed), params, stop_token_ids=END_TOKENS if seed % 2 else ())

    harness = the_same_as_one_by_one(drive, blocks=300)
    for seed, (params, outcome) in enumerate(zip(KINDS * 2, harness.outcomes.values(), strict=True)):
        ends = END_TOKENS if seed % 2 else ()
        assert outcome.tokens[0] == expected_tokens(prompt_of(3 + 5 * seed, seed), params, stop_token_ids=ends)
    assert {outcome.finish_reasons[0] for outcome in harness.outcomes.values()} == {"stop", "length"}
    assert launched_ahead(harness) > 20


def test_several_answers_to_one_prompt() -> None:
    params = SamplingParams(n=4, seed=3, temperature=1.0, max_tokens=30)

    def drive(harness: Harness) -> None:
        harness.add(prompt_of(13), params, stop_token_ids=END_TOKENS)

    harness = the_same_as_one_by_one(drive)
    for index, tokens in harness.outcomes["request-0"].tokens.items():
        assert tokens == expected_tokens(prompt_of(13), params, index=index, stop_token_ids=END_TOKENS)
    assert launched_ahead(harness) > 5


@pytest.mark.parametrize("swap_space", [0, 100_000])
def test_two_hundred_requests_with_cancellations(swap_space: int) -> None:
    test_random_requests.test_two_hundred_requests_with_cancellations_leave_no_block_used(swap_space)


def test_arrivals_join_those_who_are_being_answered() -> None:
    harness = Harness(max_num_batched_tokens=16, max_num_seqs=8)
    params = {f"{count}": SamplingParams(seed=count, max_tokens=30) for count in range(5)}
    for count, (name, wanted) in enumerate(params.items()):
        harness.add(prompt_of(7 + 9 * count), wanted, request_id=name)
        for _ in range(6):
            harness.step()
    harness.run()
    for count, (name, wanted) in enumerate(params.items()):
        assert harness.outcomes[name].tokens[0] == expected_tokens(prompt_of(7 + 9 * count), wanted)
    assert launched_ahead(harness) > 15
    assert harness.blocks_used == 0


def test_a_newcomer_waits_for_the_step_in_flight_and_no_longer() -> None:
    harness = Harness()
    harness.add(prompt_of(5), greedy(50))
    harness.step()
    harness.add(prompt_of(1), greedy(50), request_id="newcomer")
    harness.step()
    assert not harness.outcomes["newcomer"].tokens
    harness.step()
    assert len(harness.outcomes["newcomer"].tokens[0]) == 1


def test_steps_are_launched_ahead_while_somebody_waits_for_a_seat_and_not_beyond() -> None:
    lengths = [5, 60, 20, 20, 7]
    steps = []
    for config in (ONE_BY_ONE, {}):
        harness = Harness(max_num_seqs=2, **config)
        names = [harness.add(prompt_of(1, seed), greedy(length)) for seed, length in enumerate(lengths)]
        harness.run()
        for seed, (name, length) in enumerate(zip(names, lengths, strict=True)):
            assert harness.outcomes[name].tokens[0] == expected_tokens(prompt_of(1, seed), greedy(length))
        steps.append(harness.engine.stats().steps)
    assert launched_ahead(harness) > 40
    assert steps[0] == 60
    assert steps[1] == 60  # the seat is never free for more than a step


def test_preemption_is_invisible() -> None:
    def drive(harness: Harness) -> None:
        for seed in range(6):
            harness.add(prompt_of(9, seed), SamplingParams(seed=seed, max_tokens=40))

    harness = Harness(blocks=24, block_size=4, max_num_seqs=8, max_num_batched_tokens=32)
    drive(harness)
    harness.run()
    assert harness.engine.stats().preemptions > 0
    assert launched_ahead(harness) > 10
    for seed, outcome in enumerate(harness.outcomes.values()):
        assert outcome.tokens[0] == expected_tokens(prompt_of(9, seed), SamplingParams(seed=seed, max_tokens=40))
        assert outcome.timings is not None
        assert outcome.timings.completion_tokens == 40
    assert harness.blocks_used == 0


# -- what was computed in vain -------------------------------------------------------------------------


@pytest.mark.parametrize("length", range(9, 14))
def test_of_a_token_after_the_end_nothing_is_told_counted_or_found_again(length: int) -> None:
    """At each place within a block, the last token of which is the one that ends the answer, or its neighbours."""
    params = SamplingParams(temperature=1.0, seed=1, max_tokens=60)
    prompt = prompt_of(length)
    answer = expected_tokens(prompt, params)[:13]
    end = [answer[-1]]
    answer = expected_tokens(prompt, params, stop_token_ids=end)
    turn = [*prompt, *answer, *prompt_of(6, seed=3)]

    def drive(harness: Harness) -> None:
        harness.add(prompt, params, stop_token_ids=end, request_id="first")
        harness.run()
        harness.add(turn, greedy(12), request_id="turn")

    harness = the_same_as_one_by_one(drive, block_size=4)
    assert harness.outcomes["first"].tokens[0] == answer
    assert harness.outcomes["turn"].tokens[0] == expected_tokens(turn, greedy(12))
    assert harness.outcomes["turn"].cached_tokens == (length + len(answer) - 1) // 4 * 4
    vain = device_of(harness).launched - harness.engine.stats().steps
    assert vain == 1


def test_aborts_between_steps() -> None:
    def drive(harness: Harness) -> None:
        chance = random.Random(1)
        for seed in range(6):
            harness.add(prompt_of(9, seed), SamplingParams(n=1 + seed % 2, seed=seed, max_tokens=40))
        for step in range(30):
            if step % 4 == 3:
                harness.engine.abort(f"request-{chance.randrange(6)}", chance.choice([None, 0, 1]))
            harness.step()

    harness = the_same_as_one_by_one(drive)
    assert "abort" in {reason for outcome in harness.outcomes.values() for reason in outcome.finish_reasons.values()}


def test_an_id_may_be_used_again_while_its_last_step_is_in_flight() -> None:
    harness = Harness()
    engine = harness.engine
    harness.add(prompt_of(5), greedy(20), request_id="again")
    harness.add(prompt_of(7), greedy(20), request_id="other")
    harness.step()
    harness.step()
    for prompt in (prompt_of(8), prompt_of(5)):
        engine.abort("again")
        harness._take(engine._publish()[0])
        harness.add(prompt, greedy(20), request_id="again")
        harness.step()
    harness.run()
    for name, prompt in (("again", prompt_of(5)), ("other", prompt_of(7))):
        assert harness.outcomes[name].tokens[0] == expected_tokens(prompt, greedy(20))


def test_a_step_in_flight_that_nobody_waits_for_is_forgotten() -> None:
    harness = Harness()
    harness.add(prompt_of(5), greedy(20), request_id="first")
    harness.step()
    harness.engine.abort("first")
    harness.run()
    assert not harness.engine.has_work
    assert harness.generate(prompt_of(9), greedy(5)) == expected_tokens(prompt_of(9), greedy(5))
    assert harness.engine.stats().steps == 1 + 5


# -- what goes wrong -----------------------------------------------------------------------------------


@pytest.mark.parametrize("late", [False, True], ids=["when it is launched", "when it is read"])
def test_a_request_that_makes_a_step_fail_is_dropped_alone(late: bool) -> None:
    harness = Harness()
    prompts = [prompt_of(5, seed) for seed in range(3)]
    answers = [expected_tokens(prompt, greedy(30)) for prompt in prompts]
    others = {*prompts[0], *answers[0], *prompts[1], *prompts[2], *answers[2]}
    faulty = next(token for token in answers[1][4:25] if token not in others)
    if late:
        device_of(harness).device.overflows_on = faulty
    else:
        harness.decoder.fail_on = faulty
    names = [harness.add(prompt, greedy(30)) for prompt in prompts]
    harness.run()
    failure = harness.outcomes[names[1]].failure
    assert failure is not None
    assert ("too large" in failure.message) == late
    assert harness.outcomes[names[1]].tokens[0] == answers[1][: answers[1].index(faulty) + 1]
    for name, answer in zip(names[::2], answers[::2], strict=True):
        assert harness.outcomes[name].tokens[0] == answer
    assert harness.engine.stats().steps == 30 + 3  # once all together in vain, then one by one
    assert launched_ahead(harness) > 20
    assert harness.blocks_used == 0


def test_a_step_launched_on_numbers_that_are_none_is_dropped() -> None:
    harness = Harness()
    prompts = [prompt_of(5 + seed, seed) for seed in range(3)]
    names = [harness.add(prompt, SamplingParams(seed=2, max_tokens=20)) for prompt in prompts]
    device_of(harness).errors[6] = NumberOverflow("too large")  # computed alone, none is
    harness.run()
    for name, prompt in zip(names, prompts, strict=True):
        assert harness.outcomes[name].tokens[0] == expected_tokens(prompt, SamplingParams(seed=2, max_tokens=20))
    assert harness.engine.stats().steps == 20 + 3
    assert harness.blocks_used == 0


def test_a_lost_device_ends_the_engine() -> None:
    harness = Harness()
    harness.add(prompt_of(5), greedy(20))
    device_of(harness).errors[3] = DeviceLost("gone")
    for _ in range(3):
        harness.step()
    with pytest.raises(DeviceLost, match="gone"):
        harness.step()


def test_a_step_that_cannot_be_launched_ahead_is_planned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a fault of our own")

    harness = Harness()
    monkeypatch.setattr(harness.engine._scheduler, "follow", fail)
    assert harness.generate(prompt_of(5), greedy(9)) == expected_tokens(prompt_of(5), greedy(9))
    assert launched_ahead(harness) == 0


# -- what cannot be launched ahead ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "params",
    [
        SamplingParams(seed=5, max_tokens=20, repetition_penalty=1.2),
        SamplingParams(seed=5, max_tokens=20, frequency_penalty=0.5),
        SamplingParams(seed=5, max_tokens=20, logprobs=2),
        SamplingParams(seed=5, max_tokens=20, prompt_logprobs=1),
        SamplingParams(max_tokens=8, n=2, beam=BeamSearch(width=3, length_penalty=1.0, early_stopping=False)),
    ],
    ids=["repetition penalty", "frequency penalty", "log-probabilities", "of the prompt", "beams"],
)
def test_who_needs_the_host_in_every_step_has_it_and_so_has_the_company(params: SamplingParams) -> None:
    def drive(harness: Harness) -> None:
        harness.add(prompt_of(9), params, request_id="needy")
        harness.add(prompt_of(7), SamplingParams(seed=1, max_tokens=40), request_id="plain")

    harness = the_same_as_one_by_one(drive)
    plain = SamplingParams(seed=1, max_tokens=40)
    assert harness.outcomes["plain"].tokens[0] == expected_tokens(prompt_of(7), plain)
    assert launched_ahead(harness) >= 15  # once the other is done
    needed_in_all = params.prompt_logprobs is None
    assert (device_of(harness).launched < 40 - 5) == needed_in_all


class Mute(Oracle):
    """Has nothing to say for a while."""

    def would_draft(self, sequences: Any, rooms: Any, *, budget: int) -> bool:
        return any(sequence.output_length >= 10 for sequence in sequences)

    def draft(self, sequences: Any, rooms: Any, *, step_tokens: int, budget: int) -> list[list[int]]:
        drafts = super().draft(sequences, rooms, step_tokens=step_tokens, budget=budget)
        return [
            guesses if sequence.output_length > 10 else [] for sequence, guesses in zip(sequences, drafts, strict=True)
        ]


def test_guesses_are_tried_as_soon_as_there_are_any() -> None:
    harness = Harness(speculator=Mute())
    params = SamplingParams(seed=3, max_tokens=60)
    assert harness.generate(prompt_of(9), params) == expected_tokens(prompt_of(9), params)
    assert 8 <= launched_ahead(harness) <= 12
    assert harness.engine.stats().accepted_tokens > 20


class Clerk(Mute):
    """Notes what steps cost."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[tuple[int, float]] = []

    def timed(self, *, sequences: int, drafts: int, seconds: float) -> None:
        self.seconds.append((drafts, seconds))


def test_the_price_of_guesses_has_what_no_step_waits_for_that_is_launched_ahead() -> None:
    clerk = Clerk()
    harness = Harness(speculator=clerk)
    harness.add(prompt_of(1), SamplingParams(seed=3, max_tokens=60))
    harness.step()
    while harness.engine.has_work:
        harness.decoder.now += 0.004  # what the host does between two steps
        harness.step()
    plain = [seconds for drafts, seconds in clerk.seconds[:9] if not drafts]
    assert plain == pytest.approx([0.011] * 9)
    excess = [seconds - 0.011 - 0.001 * drafts for drafts, seconds in clerk.seconds if drafts]
    assert len(excess) > 5
    assert excess == pytest.approx([0.004] * len(excess))
