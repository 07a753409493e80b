"""The few statistics of the lab: spreads of timings, shares with their intervals, and whether two models differ."""

import math
from collections.abc import Iterable, Sequence

import msgspec

_Z = 1.959963984540054  # of the normal distribution, for 95 %


class Spread(msgspec.Struct, frozen=True):
    """Timings or other figures of several repeats."""

    median: float
    p95: float
    p99: float
    low: float
    high: float
    count: int


class Rate(msgspec.Struct, frozen=True):
    """So many of so many, with the 95 % interval of the share by Wilson's score (Wilson 1927)."""

    right: int
    of: int
    value: float
    low: float
    high: float


class Difference(msgspec.Struct, frozen=True):
    """Two models on the same items: how many only one of them got right, and McNemar's exact p (McNemar 1947)."""

    only_first: int
    only_second: int
    p: float


def spread(figures: Iterable[float]) -> Spread | None:
    """Median, 95th and 99th percentile (linear between neighbours), least and most; None of nothing."""
    ordered = sorted(figures)
    if not ordered:
        return None
    return Spread(
        percentile(ordered, 0.5), percentile(ordered, 0.95), percentile(ordered, 0.99), ordered[0], ordered[-1],
        len(ordered),
    )  # fmt: skip


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of the sorted values lie."""
    place = share * (len(ordered) - 1)
    lower = math.floor(place)
    upper = min(lower + 1, len(ordered) - 1)
    return ordered[lower] + (ordered[upper] - ordered[lower]) * (place - lower)


def rate(right: int, of: int, independent: int | None = None) -> Rate:
    """A share and its Wilson interval; of nothing, the interval is everything.

    ``independent``: how many of them are, where several are answers to one question; the interval is that of so many.
    """
    if not of:
        return Rate(0, 0, 0.0, 0.0, 1.0)
    share, drawn = right / of, independent or of
    scale = 1 + _Z**2 / drawn
    centre = (share + _Z**2 / (2 * drawn)) / scale
    half = _Z * math.sqrt(share * (1 - share) / drawn + _Z**2 / (4 * drawn**2)) / scale
    # The share itself is a bound where none or all are right, which rounding may miss.
    return Rate(right, of, share, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def macro_average(groups: Sequence[Rate]) -> Rate:
    """The mean of the groups' shares, with the 95 % interval of a stratified sample; right and of are totals."""
    mean = sum(group.value for group in groups) / len(groups)
    # One more right and one more wrong in each, or a group of few questions would seem to be known exactly.
    shares = [(group.right + 1) / (group.of + 2) for group in groups]
    variance = sum(share * (1 - share) / group.of for share, group in zip(shares, groups, strict=True))
    half = _Z * math.sqrt(variance) / len(groups)
    right, of = sum(group.right for group in groups), sum(group.of for group in groups)
    return Rate(right, of, mean, max(0.0, mean - half), min(1.0, mean + half))


def mcnemar(first: Sequence[bool], second: Sequence[bool]) -> Difference:
    """Compare two models' results on the same items, in the same order; two-sided, exact."""
    only_first = sum(a and not b for a, b in zip(first, second, strict=True))
    only_second = sum(b and not a for a, b in zip(first, second, strict=True))
    discordant = only_first + only_second
    tail = sum(math.comb(discordant, k) for k in range(min(only_first, only_second) + 1)) / 2**discordant
    return Difference(only_first, only_second, min(1.0, 2 * tail))
