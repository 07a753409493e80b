"""The three kinds of plots: lines over an axis of doublings, stacked bars, and shares with their intervals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sevenb.lab.report.page.plots.drawing import SERIES, TEXT_HEIGHT, WIDTH, Sheet, round_up, shortened

_LEFT, _RIGHT = 56, 16
_AXES_HEIGHT = 210


@dataclass(frozen=True)
class Point:
    """``low`` and ``high``: the least and the most of the repeats."""

    x: float
    y: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Line:
    """One series; ``series`` is its colour and shape, the same in all plots of a report."""

    name: str
    series: int
    points: Sequence[Point]


def line_chart(lines: Sequence[Line], ticks: dict[float, str], x_label: str, y_label: str) -> Sheet:
    """Lines against an x of doublings (1, 2, 4 …), the y axis from nothing. ``ticks``: labels by x."""
    sheet = Sheet()
    top = sheet.legend(_LEFT - 48, 0, [(line.series, line.name) for line in lines]) + 6
    sheet.text(8, top + 12, y_label)
    top += 24
    bottom = top + _AXES_HEIGHT
    highest = round_up(max((point.high or point.y for line in lines for point in line.points), default=1.0))
    placed = sorted(ticks)
    first, last = math.log2(placed[0]), math.log2(placed[-1])

    def across(x: float) -> float:
        inset = 14  # markers stand clear of the axes
        share = (math.log2(x) - first) / (last - first) if last > first else 0.5
        return _LEFT + inset + share * (WIDTH - _LEFT - _RIGHT - 2 * inset)

    def level(y: float) -> float:
        return bottom - y / highest * _AXES_HEIGHT

    for step in range(5):
        value = highest * step / 4
        sheet.path("grid", [(_LEFT, level(value)), (WIDTH - _RIGHT, level(value))])
        sheet.text(_LEFT - 8, level(value) + 4, f"{value:g}", "end")
    for x, label in ticks.items():
        sheet.text(across(x), bottom + 18, label, "middle")
    sheet.text((_LEFT + WIDTH - _RIGHT) / 2, bottom + 38, x_label, "middle")
    for line in lines:
        colour = f"s{line.series % SERIES}"
        if len(line.points) > 1:
            sheet.path(f"line {colour}", [(across(point.x), level(point.y)) for point in line.points])
        for point in line.points:
            if point.low is not None and point.high is not None and point.high > point.low:
                ends = [(across(point.x), level(point.low)), (across(point.x), level(point.high))]
                sheet.path(f"whisker {colour}", ends)
            sheet.marker(line.series, across(point.x), level(point.y))
    sheet.height = bottom + 46
    return sheet


@dataclass(frozen=True)
class Bar:
    """``parts``: amounts by series, in the order of the legend."""

    name: str
    parts: Sequence[tuple[int, float]]
    note: str = ""


def stacked_bars(
    bars: Sequence[Bar], legend: Sequence[tuple[int, str]], unit: str, limit: float | None, limit_name: str
) -> Sheet:
    """Bars from left to right, each under its name, and a line where the device ends.

    Where the limit lies far to the right, the bars keep their room and the limit is told in words.
    """
    sheet = Sheet()
    top = sheet.legend(8, 0, legend, boxes=True) + 4
    longest = max((sum(amount for _, amount in bar.parts) for bar in bars), default=1.0)
    shown = limit is not None and limit <= 4 * longest
    widest = round_up(max(longest, limit or 0) if shown else longest)
    left, right = 8, WIDTH - _RIGHT

    def across(amount: float) -> float:
        return left + amount / widest * (right - left)

    if limit is not None:
        place = across(limit) if shown else right
        sheet.text(place, top + 12, limit_name if shown else f"{limit_name} →", "end" if place > WIDTH / 2 else "start")
        top += TEXT_HEIGHT
    first = top
    steps = [widest * step / 4 for step in range(5)]
    for bar in bars:
        for value in steps:
            sheet.path("grid", [(across(value), top + 17), (across(value), top + 39)])
        sheet.text(left, top + 13, shortened(bar.name, 46))
        sheet.text(right, top + 13, bar.note, "end")
        amount = 0.0
        for series, part in bar.parts:
            sheet.bar(f"f{series % SERIES}", across(amount), top + 19, across(amount + part) - across(amount), 18)
            amount += part
        top += 46
    for step, value in enumerate(steps):
        sheet.text(across(value), top + 16, f"{value:g}", "start" if step == 0 else "end" if step == 4 else "middle")
    if limit is not None and shown:
        sheet.path("limit", [(across(limit), first - 1), (across(limit), top)])
    sheet.text((left + right) / 2, top + 34, unit, "middle")
    sheet.height = top + 42
    return sheet


@dataclass(frozen=True)
class Share:
    """One measured share of 0 to 1 with its interval; ``published``: what somebody else measured."""

    series: int
    name: str
    value: float
    low: float
    high: float
    published: float | None = None


def intervals(
    groups: Sequence[tuple[str, Sequence[Share]]], x_label: str, published_name: str, legend: Sequence[tuple[int, str]]
) -> Sheet:
    """Shares from 0 to 100 %, by group (a task): a point, its interval, and a diamond where one was published."""
    sheet = Sheet()
    top = sheet.legend(8, 0, legend)
    if any(share.published is not None for _, shares in groups for share in shares):
        _diamond(sheet, 13, top + 8)
        sheet.text(24, top + 12, published_name)
        top += TEXT_HEIGHT
    top += 4
    left, right, first = 14, WIDTH - 20, top

    def across(share: float) -> float:
        return left + share * (right - left)

    for name, shares in groups:
        sheet.text(8, top + 13, shortened(name, 60))
        top += 22
        for share in shares:
            middle = top + 8
            colour = f"s{share.series % SERIES}"
            sheet.path(f"line {colour}", [(across(share.low), middle), (across(share.high), middle)])
            for end in (share.low, share.high):
                sheet.path(f"line {colour}", [(across(end), middle - 4), (across(end), middle + 4)])
            sheet.marker(share.series, across(share.value), middle, 4.5)
            if share.published is not None:
                _diamond(sheet, across(share.published), middle)
            top += 19
        top += 6
    for step in range(6):
        place = across(step / 5)
        sheet.path("grid", [(place, first), (place, top)])
        sheet.text(place, top + 16, f"{step * 20} %", "middle")
    sheet.text((left + right) / 2, top + 34, x_label, "middle")
    sheet.height = top + 42
    return sheet


def _diamond(sheet: Sheet, x: float, y: float) -> None:
    sheet.path("published", [(x, y - 6), (x + 6, y), (x, y + 6), (x - 6, y), (x, y - 6)])
