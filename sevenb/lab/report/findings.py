"""Single rules: what was measured of a subject, held against one limit."""

from typing import Literal

from sevenb.lab.report.report import Subject
from sevenb.lab.report.verdict import Finding, Reason
from sevenb.lab.results import LatencyRow, LoadRow
from sevenb.lab.statistics import Rate


def ttft(subject: Subject, context: int, limit: float) -> Reason:
    """Seconds to the first token at a length of context, without a cache."""
    row = _cold_row(subject, context)
    figure = row.ttft if row else None
    return _timed("ttft", figure.median if figure else None, figure.count if figure else None, limit, "low", context)


def decode_rate(subject: Subject, context: int, limit: float) -> Reason:
    """Tokens a second of one stream at a length of context."""
    row = _cold_row(subject, context)
    figure = row.decode_rate if row else None
    return _timed("rate", figure.median if figure else None, figure.count if figure else None, limit, "high", context)


def _timed(
    rule: str, figure: float | None, count: int | None, limit: float, better: Literal["low", "high"], context: int
) -> Reason:
    if figure is None:
        finding: Finding = "unmeasured"
    else:
        finding = "met" if (figure <= limit if better == "low" else figure >= limit) else "missed"
    return Reason(
        rule=rule,
        finding=finding,
        essential=True,
        better=better,
        limit=limit,
        figure=figure,
        count=count,
        at=context,
    )


def score(subject: Subject, task: str, limit: float) -> Reason:
    """Settled where the whole interval lies on one side of the limit."""
    return _share(f"score:{task}", _measured(subject, task), limit, essential=True)


def kept_quality(subject: Subject, task: str) -> Reason:
    """The published score is not above the interval: quantisation and engine cost nothing that can be seen."""
    summary = next((one for one in subject.tasks if one.task == task), None)
    published = summary.published.value / 100 if summary and summary.published else None
    measured = _measured(subject, task)
    if measured is None or published is None:
        finding: Finding = "unmeasured"
    else:
        finding = "met" if measured.high >= published else "missed"
    return Reason(
        rule=f"kept:{task}",
        finding=finding,
        essential=False,
        better="high",
        limit=published or 0.0,
        figure=measured.value if measured else None,
        low=measured.low if measured else None,
        high=measured.high if measured else None,
        count=measured.of if measured else None,
    )


def scenarios_passed(subject: Subject, limit: float) -> Reason:
    """The share of all scenarios that were tried and passed."""
    asked = [scenario for scenario in subject.scenarios if not scenario.left_out]
    return _counted("scenarios", sum(scenario.passed for scenario in asked), len(asked), limit, essential=False)


def long_texts_passed(subject: Subject) -> Reason:
    """Whether every scenario about a long document passed."""
    asked = [one for one in subject.scenarios if one.key in LONG_SCENARIOS and not one.left_out]
    return _counted("long", sum(scenario.passed for scenario in asked), len(asked), 1.0, essential=True)


LONG_SCENARIOS = ("summary", "extraction")  # those about a long document


def in_time(subject: Subject, clients: int, limit: float) -> Reason:
    """The share of requests of so many clients that met the service level."""
    row = (
        next((row for row in subject.load.rows if row.clients == clients and row.offered_rate is None), None)
        if subject.load
        else None
    )
    share = within_level(row) if row else None
    if row is None or share is None:
        return _counted("level", 0, 0, limit, essential=True, at=clients)
    return _counted("level", round(share * row.requests), row.requests, limit, essential=True, at=clients)


def within_level(row: LoadRow) -> float | None:
    """The share of requests that met the service level; failed ones did not."""
    return min(1.0, row.goodput * row.seconds / row.requests) if row.requests else None


def headroom(subject: Subject, memory: int | None, limit: float) -> Reason:
    """The share of the machine's memory that is left at the peak."""
    peak = peak_memory(subject)
    figure = 1 - peak / memory if peak and memory else None
    finding: Finding = "unmeasured" if figure is None else "met" if figure >= limit else "missed"
    return Reason(rule="headroom", finding=finding, essential=False, better="high", limit=limit, figure=figure)


def peak_memory(subject: Subject) -> int | None:
    """The most that the process took in any of the modes that were measured; bytes."""
    peaks = [row.process_peak for row in subject.memory.rows if row.process_peak] if subject.memory else []
    return max(peaks, default=None)


def _counted(rule: str, right: int, of: int, limit: float, *, essential: bool, at: int | None = None) -> Reason:
    """A share of things that were all looked at: no sample of more, so no interval."""
    figure = right / of if of else None
    finding: Finding = "unmeasured" if figure is None else "met" if figure >= limit else "missed"
    return Reason(
        rule=rule, finding=finding, essential=essential, better="high", limit=limit, figure=figure, count=of, at=at
    )


def _share(rule: str, measured: Rate | None, limit: float, *, essential: bool) -> Reason:
    if measured is None:
        return Reason(rule=rule, finding="unmeasured", essential=essential, better="high", limit=limit)
    finding: Finding = "met" if measured.low >= limit else "missed" if measured.high < limit else "unsettled"
    return Reason(
        rule=rule,
        finding=finding,
        essential=essential,
        better="high",
        limit=limit,
        figure=measured.value,
        low=measured.low,
        high=measured.high,
        count=measured.of,
    )


def _measured(subject: Subject, task: str) -> Rate | None:
    summary = next((one for one in subject.tasks if one.task == task), None)
    return summary.strict if summary and summary.strict.of else None


def _cold_row(subject: Subject, context: int) -> LatencyRow | None:
    """The row of that many tokens without a prefix in the cache."""
    rows = subject.latency.rows if subject.latency else ()
    return next((row for row in rows if row.context == context and not row.warm and not row.refused), None)
