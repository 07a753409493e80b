"""How many prompt tokens a step gets, on machines of many speeds."""

from collections.abc import Callable

import pytest

from sevenb.engine.pace import LONGEST_STEP, TILE, WORTHWHILE, Pace

MOST = 512

Machine = Callable[[int, int, int], float]  # decoding sequences, prompt tokens, depth -> seconds of a step


def machine(step: float, sequence: float, token: float, deep_token: float) -> Machine:
    """A step reads the weights, each sequence and prompt token adds to that, at 10,000 tokens by ``deep_token``."""

    def seconds(decoding: int, prompt_tokens: int, depth: int) -> float:
        return step + sequence * decoding + prompt_tokens * (token + (deep_token - token) * depth / 10_000)

    return seconds


LAPTOP = machine(0.012, 0.002, 0.0012, 0.004)
SLOW = machine(0.150, 0.020, 0.016, 0.040)
FAST = machine(0.002, 0.0001, 0.00002, 0.00005)
MACHINES = pytest.mark.parametrize("cost", [LAPTOP, SLOW, FAST])


def run(pace: Pace, cost: Machine, decoding: int, depth: int, steps: int) -> list[tuple[int, float]]:
    """Prompt tokens and seconds of each step while one long prompt is computed from ``depth`` on."""
    history = []
    for _ in range(steps):
        tokens = pace.prompt_tokens(decoding, depth)
        seconds = cost(decoding, tokens, depth)
        pace.note(seconds, decoding=decoding, prompt_tokens=tokens, depth=depth)
        history.append((tokens, seconds))
        depth += tokens
    return history


@MACHINES
@pytest.mark.parametrize("decoding", [1, 4, 16])
def test_streams_keep_their_pace_at_any_depth(cost: Machine, decoding: int) -> None:
    pace, alone = Pace(MOST), cost(decoding, 0, 0)
    history = (
        run(pace, cost, decoding, 0, 4) + run(pace, cost, decoding, 0, 400) + run(pace, cost, decoding, 30_000, 80)
    )
    least = alone + cost(0, TILE, 40_000) - cost(0, 0, 0)  # what the least progress costs, however long that is
    late = sorted(seconds for _, seconds in history[4:])
    assert late[len(late) * 95 // 100] <= max(2.8 * alone, 1.1 * least)


@MACHINES
def test_a_prompt_gets_a_good_part_of_the_time_beside_a_stream(cost: Machine) -> None:
    history = run(Pace(MOST), cost, 1, 0, 300)
    for_prompts = sum(seconds - cost(1, 0, 0) for _, seconds in history)
    assert for_prompts > 0.45 * sum(seconds for _, seconds in history)


def test_a_prompt_progresses_in_at_least_every_second_step() -> None:
    pace, depth = Pace(MOST), 0
    idle = 0
    for step in range(500):  # streams come and go all the time
        decoding = 1 + step % 3 * 7
        tokens = pace.prompt_tokens(decoding, depth)
        idle = 0 if tokens else idle + 1
        assert idle < 2
        assert tokens == 0 or tokens >= TILE // 2
        assert tokens == 0 or (decoding + tokens) % TILE == 0
        pace.note(LAPTOP(decoding, tokens, depth), decoding=decoding, prompt_tokens=tokens, depth=depth)
        depth += tokens


def test_guesses_that_a_stream_tries_do_not_make_room_for_prompts() -> None:
    pace = Pace(MOST)
    pace.note(3 * LAPTOP(1, 0, 0), decoding=1, prompt_tokens=0, depth=0, guessed=True)
    while pace.prompt_tokens(1, 0):  # until it measures a step without
        pace.note(LAPTOP(1, 8, 0), decoding=1, prompt_tokens=8, depth=0)
    pace.note(LAPTOP(1, 0, 0), decoding=1, prompt_tokens=0, depth=0)
    for _ in range(20):
        pace.note(3 * LAPTOP(1, 0, 0), decoding=1, prompt_tokens=0, depth=0, guessed=True)
    assert run(pace, LAPTOP, 1, 0, 9)[-1][1] <= 2.8 * LAPTOP(1, 0, 0)


def test_a_stream_alone_is_measured_rarely() -> None:
    history = run(Pace(MOST), LAPTOP, 1, 0, 400)
    assert 0 < sum(tokens == 0 for tokens, _ in history) < 10


def test_with_no_stream_to_disturb_a_step_is_as_large_as_it_may_be() -> None:
    assert {tokens for tokens, _ in run(Pace(MOST), FAST, 0, 0, 10)} == {MOST}


def test_newcomers_need_not_wait_long_for_the_end_of_a_step() -> None:
    pace = Pace(2048)
    tokens = [tokens for tokens, _ in run(pace, LAPTOP, 0, 0, 10)][1:]
    assert all(cost <= 1.1 * LONGEST_STEP for cost in (LAPTOP(0, count, 0) for count in tokens))
    assert min(tokens) > WORTHWHILE
    assert {tokens for tokens, _ in run(Pace(2048), SLOW, 0, 0, 10)[1:]} == {WORTHWHILE}


def test_the_limit_holds_in_any_case() -> None:
    assert Pace(20).prompt_tokens(0, 0) == 20
    pace = Pace(20)
    pace.note(1.0, decoding=15, prompt_tokens=0, depth=0)
    pace.note(1.0, decoding=15, prompt_tokens=5, depth=0)
    assert pace.prompt_tokens(15, 0) == 5
    assert pace.prompt_tokens(20, 0) == 0


def test_what_streams_cost_is_learnt_anew_when_others_come_or_go() -> None:
    pace = Pace(MOST)
    crowded = run(pace, LAPTOP, 32, 0, 20)
    lonely = run(pace, LAPTOP, 1, 0, 20)
    assert crowded[-1][0] > 2 * lonely[-1][0]
    assert lonely[-1][1] <= 2.8 * LAPTOP(1, 0, 0)


def test_a_clock_that_stands_still_does_no_harm() -> None:
    history = run(Pace(MOST), lambda decoding, tokens, depth: 0.0, 1, 0, 10)
    assert {tokens for tokens, _ in history} <= {0, *range(TILE // 2, MOST)}
