"""The lab's statistics agree with values worked out elsewhere: in the papers and in scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.lab.statistics import macro_average, mcnemar, percentile, rate, spread


@pytest.mark.parametrize(
    ("right", "of", "low", "high"),
    [
        (15, 148, 0.0624, 0.1605),  # Newcombe 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
        (88, 164, 0.4603, 0.6112),  # scipy: binomtest(88, 164).proportion_ci(method='wilson')
        (164, 164, 0.9771, 1.0),
    ],
)
def test_the_interval_is_wilsons(right: int, of: int, low: float, high: float) -> None:
    found = rate(right, of)
    assert (found.right, found.of, found.value) == (right, of, right / of)
    assert (found.low, found.high) == (pytest.approx(low, abs=6e-5), pytest.approx(high, abs=6e-5))


def test_of_nothing_nothing_is_known() -> None:
    assert (rate(0, 0).low, rate(0, 0).high) == (0.0, 1.0)


def test_several_answers_to_a_question_tell_no_more_than_one() -> None:
    found = rate(60, 200, 20)
    alone = rate(6, 20)
    assert (found.right, found.of, found.value) == (60, 200, 0.3)
    assert (found.low, found.high) == (alone.low, alone.high)


def test_every_group_counts_alike_in_the_macro_average() -> None:
    found = macro_average([rate(90, 100), rate(1, 10)])
    assert (found.right, found.of, found.value) == (91, 110, pytest.approx(0.5))
    deviation = ((91 / 102 * 11 / 102 / 100 + 2 / 12 * 10 / 12 / 10) ** 0.5) / 2
    assert (found.low, found.high) == (pytest.approx(0.5 - 1.96 * deviation, abs=1e-4),
                                       pytest.approx(0.5 + 1.96 * deviation, abs=1e-4))  # fmt: skip


@given(st.integers(1, 20_000).flatmap(lambda of: st.tuples(st.integers(0, of), st.just(of))))
def test_the_interval_holds_the_share_and_stays_a_share(shares: tuple[int, int]) -> None:
    found = rate(*shares)
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.low < found.high


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 1.0),
        (0, 6, 0.03125),  # 2 / 2^6
        (5, 5, 1.0),
        (6, 16, 0.0524787903),  # scipy: binomtest(6, 22).pvalue
        (10, 25, 0.0166738478),  # scipy: binomtest(10, 35).pvalue
        (59, 6, 4.96465e-12),  # scipy: binomtest(6, 65).pvalue
    ],
)
def test_two_models_are_compared_by_mcnemars_exact_test(only_first: int, only_second: int, p: float) -> None:
    first = [True] * only_first + [False] * only_second + [True, False] * 10
    second = [False] * only_first + [True] * only_second + [True, False] * 10
    found = mcnemar(first, second)
    assert (found.only_first, found.only_second) == (only_first, only_second)
    assert found.p == pytest.approx(p, rel=1e-5)
    assert mcnemar(second, first).p == found.p


def test_many_items_overflow_nothing() -> None:
    half = mcnemar([True] * 3000 + [False] * 3000, [False] * 3000 + [True] * 3000)
    assert half.p == 1.0
    assert mcnemar([True] * 14_042, [False] * 14_042).p == pytest.approx(0, abs=1e-300)


def test_results_of_other_items_are_no_comparison() -> None:
    with pytest.raises(ValueError, match="zip"):
        mcnemar([True], [True, False])


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0, 1))
def test_percentiles_are_numpys(figures: list[float], share: float) -> None:
    assert percentile(sorted(figures), share) == pytest.approx(float(np.quantile(figures, share)), rel=1e-9, abs=1e-9)


def test_a_spread_of_one_is_that_one_and_of_none_none() -> None:
    one = spread([2.5])
    assert one is not None
    assert (one.median, one.p95, one.p99, one.low, one.high, one.count) == (2.5, 2.5, 2.5, 2.5, 2.5, 1)
    assert spread([]) is None


def test_a_spread_of_unsorted_figures() -> None:
    found = spread(float(number) for number in reversed(range(101)))
    assert found is not None
    assert (found.median, found.p95, found.p99, found.low, found.high, found.count) == (50, 95, 99, 0, 100, 101)
