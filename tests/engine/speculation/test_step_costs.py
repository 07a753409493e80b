"""What steps cost, learned from a machine that is made up."""

import random
from itertools import pairwise

import pytest

from sevenb.engine.speculation.step_costs import MOST_DRAFTS, CostCurve, StepCosts


def teach(curve: CostCurve, extra: float, drafts: list[int], *, times: int = 30, noise: float = 0.0) -> None:
    """Steps of 20 ms, longer by ``extra`` with any draft."""
    chance = random.Random(1)
    for _ in range(times):
        curve.note(0, 0.020)
        for count in drafts:
            curve.note(count, 0.020 * (1 + extra) * (1 + noise * chance.uniform(-1, 1)))


def test_nothing_is_tried_before_a_plain_step() -> None:
    curve = CostCurve(1)
    curve.note(5, 1.0)
    assert curve.extra == [0.0]
    curve.note(0, 1.0)
    assert len(curve.extra) > 1


def test_a_price_is_learned_from_what_it_was() -> None:
    curve = CostCurve(1)
    teach(curve, 1.5, [4, 8, 16], noise=0.2)
    for count in (3, 4, 5, 8, 14, 16):
        assert curve.extra[count] == pytest.approx(1.5, rel=0.25)


def test_what_few_drafts_cost_more_ones_do_too() -> None:
    curve = CostCurve(1)
    teach(curve, 1.0, [1], times=4)
    assert all(extra > 0.9 for extra in curve.extra[1:])


def test_many_drafts_are_tried_after_fewer() -> None:
    curve = CostCurve(1)
    curve.note(0, 0.020)
    reached = [len(curve.extra) - 1]
    while reached[-1] < MOST_DRAFTS:
        curve.note(reached[-1], 0.020)
        reached.append(len(curve.extra) - 1)
    assert all(1 < after / before <= 2 for before, after in pairwise(reached))


def test_a_plain_step_is_measured_again_when_that_was_long_ago() -> None:
    curve = CostCurve(1)
    curve.note(0, 0.020)
    for _ in range(1000):
        if len(curve.extra) == 1:
            break
        curve.note(4, 0.020)
    assert curve.extra == [0.0]
    curve.note(0, 0.020)
    assert len(curve.extra) > 4


def test_a_stray_observation_changes_little() -> None:
    curve = CostCurve(1)
    teach(curve, 0.5, [4])
    before = curve.extra[4]
    curve.note(4, 1000.0)
    assert curve.extra[4] < before + 1


def test_a_price_that_was_high_is_forgotten_slowly() -> None:
    curve = CostCurve(1)
    teach(curve, 3.0, [4])
    for _ in range(20):
        curve.note(0, 0.020)
    assert curve.extra[4] > 2
    for _ in range(3000):
        curve.note(0, 0.020)
    assert curve.extra[4] < 0.5


def test_each_number_of_sequences_has_a_curve_of_its_own() -> None:
    costs = StepCosts()
    teach(costs.of(1), 2.0, [4])
    teach(costs.of(8), 0.1, [4])
    assert costs.of(1).extra[4] > 1.5
    assert costs.of(8).extra[4] < 0.5
