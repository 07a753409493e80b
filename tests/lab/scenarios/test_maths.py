"""Which answers to the four problems count, and that what counts as right is right."""

from fractions import Fraction

import pytest

from sevenb.lab.scenarios import maths

ROOTS_RIGHT = [
    "Answer: x = 2, x = 3",
    "Answer: x = 3, x = 2",
    "Answer: x = 2 or 3",
    "Answer: 2 and 3",
    "Answer: {2, 3}",
    "**Answer:** \\(x = 3\\) and \\(x=2\\)",
    "Answer: \\boxed{2}, \\boxed{3}",
    "\\boxed{x=2 \\text{ or } x=3}",
    "so $x_1 = 2$ and $x_2 = 3$.",
    "答案：x₁=2，x₂=3",
    "答案：二和三",
    "Answer: x = 6/2, x = \\frac{4}{2}",
    "x = 2 and x = 3",
    "Answer: x = 2, x = 3\n\nCheck: 2^2 - 10 + 6 = 0",
    "Therefore the solutions of \\(x^2-5x+6=0\\) are:\n\\[ x = 2 \\quad \\text{and} \\quad x = 3 \\]",
    "the solutions are \\(x = 3\\) and \\(x = 2\\).\n\nThe final answer is:\n\\[\n\\boxed{3, 2}\n\\]",
    "First \\boxed{x - 2 = 0}, hence\n\n\\boxed{x = 2}\n\\boxed{x = 3}",
]
ROOTS_WRONG = [
    "",
    "Answer: x = 2",
    "Answer: x = -2, x = -3",
    "Answer: x = 2, x = -3",
    "Answer: x = 2, x = 3, x = 6",
    "Answer: x = 1, x = 6",
    "Answer: x = 2.5, x = 3",
    "Answer: x = 2, x = 13",
    "(x-2)(x-3)=0",
    "x = 2 or x = 3 at first sight.\n\nAnswer: x = 1, x = 6",
    "Answer: x = 2/0, x = 3",
]
REMAINDERS_RIGHT = [
    "答案：142",
    "答案：142。",
    "答案：\n\n142",
    "答案：\\(142\\)",
    "答案：45×3+7=142",
    "答案：142 = 9×15+7",
    "最小的是 **142**",
    "所以最小的三位数是 142。",
    "一百四十二。",
    "Answer: n = 142",
    "\\boxed{142}",
    "试 97：只有两位。\n\n因此答案是 142。",
]
REMAINDERS_WRONG = [
    "",
    "答案：127",
    "答案：97",
    "答案：1142",
    "答案：142.5",
    "答案：14 2",
    "答案：-142",
    "142 不对。\n\n答案：232",
    "答案：不是 142，而是 187",
]
EXTREMA_RIGHT = [
    "Answer: maximum at (0, 2), minimum at (2, -2)",
    "Answer: minimum at (2, −2), maximum at (0, 2)",
    "Answer: maximum at \\((0, 2)\\), minimum at \\((2, -2)\\)",
    "\\boxed{\\text{maximum at } (0, 2), \\text{ minimum at } (2, -2)}",
    "Answer: maximum at (0, f(0)) = (0, 2), minimum at (2, f(2)) = (2, -2)",
    "Answer: maximum at x = 0, f(0) = 2; minimum at x = 2, f(2) = -2",
    "Answer: local maximum 2 at x = 0, local minimum −2 at x = 2",
    "Answer: f(0)=2 maximum, f(2)=-2 minimum",
    "(0, 2) is a local maximum and (2, -2) is a local minimum.",
    "极大值为 2（x=0），极小值为 -2（x=2）",
    "- Local maximum: \\((0, 2)\\)\n- Local minimum: \\((2, -2)\\)",
    "Answer:\n\n- maximum at (0, 2)\n\n- minimum at (2, -2)",
]
EXTREMA_WRONG = [
    "",
    "Answer: maximum at (2, -2), minimum at (0, 2)",
    "Answer: maximum at (0, 2), minimum at (2, 2)",
    "Answer: maximum at (1, 0), minimum at (2, -2)",
    "Answer: maximum at x = 0, minimum at x = 2",
    "Answer: maximum at (0, 2)",
    "Answer: maximum at (0, 2) and (3, 2), minimum at (2, -2)",
    "The extrema are 2 and -2.",
]
DISTANCE_RIGHT = [
    "答案：10 千米",
    "答案：10",
    "答案：十千米",
    "答案：\\( AB = 10 \\) 公里",
    "答案：\\boxed{10}千米",
    "10000米",
    "Answer: 10 km",
    "Answer: 10.0 kilometres",
    "A、B 两地相距 10 千米。",
]
DISTANCE_WRONG = [
    "",
    "答案：100 千米",
    "答案：10 米",
    "答案：2.10 千米",
    "答案：20 千米",
    "答案：5 千米，不是 10 千米",
    "10 千米 + 2 千米 = 12 千米\n\n因此，A、B 两地相距的总距离是 \\(\\boxed{12}\\) 千米。",
]
CASES = [
    (maths.check_roots, ROOTS_RIGHT, ROOTS_WRONG),
    (maths.check_remainders, REMAINDERS_RIGHT, REMAINDERS_WRONG),
    (maths.check_extrema, EXTREMA_RIGHT, EXTREMA_WRONG),
    (maths.check_distance, DISTANCE_RIGHT, DISTANCE_WRONG),
]


@pytest.mark.parametrize(("check", "answer"), [(check, answer) for check, right, _ in CASES for answer in right])
def test_right_answers_count_however_they_are_written(check, answer):
    assert [each.passed for each in check(answer)] == [True], check(answer)


@pytest.mark.parametrize(("check", "answer"), [(check, answer) for check, _, wrong in CASES for answer in wrong])
def test_wrong_answers_do_not_count_even_if_they_hold_the_right_figures(check, answer):
    assert [each.passed for each in check(answer)] == [False], check(answer)


def test_the_roots_are_those_of_the_equation():
    assert {x for x in range(-100, 101) if x**2 - 5 * x + 6 == 0} == maths.ROOTS  # of degree 2: there are no others


def test_no_smaller_number_of_three_digits_leaves_these_remainders():
    assert next(n for n in range(100, 1000) if n % 9 == 7 and n % 5 == 2) == maths.REMAINDERS


def test_the_extrema_are_where_the_slope_is_zero_and_changes_its_sign():
    def height(x):
        return x**3 - 3 * x**2 + 2

    def slope(x):
        return 3 * x**2 - 6 * x

    for name, sign in (("maximum", 1), ("minimum", -1)):
        x, y = maths.EXTREMA[name]
        assert slope(x) == 0
        assert height(x) == y
        assert sign * slope(x - Fraction(1, 1000)) > 0 > sign * slope(x + Fraction(1, 1000))


def test_the_walkers_meet_two_kilometres_before_the_end():
    there = maths.DISTANCE / 6  # hours until the faster one turns
    gap = maths.DISTANCE - 4 * there
    met = there + gap / (6 + 4)
    assert maths.DISTANCE - 4 * met == 2
    # The place where they meet is a share of the whole way, so that no other distance gives these two kilometres.
    assert (maths.DISTANCE - 4 * met) / maths.DISTANCE == Fraction(1, 5)
