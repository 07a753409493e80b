"""The verdict: for which uses a model on this hardware is good enough, by rules that the report states."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

from sevenb.lab.results import LatencyRow, LoadRow
from sevenb.lab.statistics import Rate

if TYPE_CHECKING:
    from sevenb.lab.report.report import Subject

Outcome = Literal["yes", "limits", "open", "no", "unmeasured"]
Finding = Literal["met", "missed", "unsettled", "unmeasured"]
Use = Literal["chat", "coding", "documents", "users"]

USES: tuple[Use, ...] = ("chat", "coding", "documents", "users")


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers that decide: all of them, and nowhere else. ``sevenb report --threshold NAME=VALUE`` changes one."""

    chat_context: int = 4096  # tokens before a chat's answer
    chat_ttft: float = 10.0  # seconds at most
    chat_rate: float = 8.0  # tokens a second at least, of one stream: somewhat faster than people read
    chat_scenarios: float = 0.6  # share of all scenarios passed
    coding_score: float = 0.5  # HumanEval pass@1
    coding_rate: float = 15.0  # tokens a second: a function of 300 tokens in 20 s
    document_context: int = 16384
    document_ttft: float = 60.0
    document_rate: float = 5.0
    users_clients: int = 4  # at once
    users_share: float = 0.9  # of requests that meet the service level
    memory_headroom: float = 0.1  # share of the device's memory left over at the peak


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, what was measured, and what came of it."""

    rule: str  # key of the words in `sections.verdict`
    finding: Finding
    essential: bool
    better: Literal["low", "high"]
    limit: float
    figure: float | None = None
    low: float | None = None  # the figure's 95 % interval
    high: float | None = None
    count: int | None = None  # repeats, requests or items
    at: int | None = None  # tokens of context, or clients


class Verdict(msgspec.Struct, frozen=True):
    """For one use of one subject."""

    subject: str
    use: Use
    outcome: Outcome
    reasons: tuple[Reason, ...]


def verdicts(subjects: "Sequence[Subject]", device_memory: int | None, limits: Thresholds) -> tuple[Verdict, ...]:
    """Judge every subject for every use. ``device_memory``: bytes of the machine that our own server runs on."""
    found = []
    for subject in subjects:
        for use in USES:
            reasons = _RULES[use](subject, device_memory, limits)
            found.append(Verdict(subject.name, use, _outcome(reasons), reasons))
    return tuple(found)


def best(found: Sequence[Verdict]) -> str | None:
    """The subject that is good for most uses; None where none is good for any, or where several share that place."""
    points: dict[str, tuple[int, int]] = {}
    for verdict in found:
        yes, limited = points.get(verdict.subject, (0, 0))
        points[verdict.subject] = (yes + (verdict.outcome == "yes"), limited + (verdict.outcome == "limits"))
    ranked = sorted(points, key=lambda name: points[name], reverse=True)
    if len(ranked) < 2 or points[ranked[0]] == (0, 0) or points[ranked[0]] == points[ranked[1]]:
        return None
    return ranked[0]


def _outcome(reasons: Sequence[Reason]) -> Outcome:
    """No where an essential rule is missed; open where one is not settled; with limits where another one is missed."""
    essential = [reason.finding for reason in reasons if reason.essential]
    if all(finding == "unmeasured" for finding in essential):
        return "unmeasured"
    if "missed" in essential:
        return "no"
    if "unmeasured" in essential or "unsettled" in essential:
        return "open"
    return "limits" if any(reason.finding == "missed" for reason in reasons) else "yes"


# -- the rules of each use -----------------------------------------------------------------------------


def _chat(subject: "Subject", memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        _ttft(subject, limits.chat_context, limits.chat_ttft),
        _decode_rate(subject, limits.chat_context, limits.chat_rate),
        _scenarios(subject, limits.chat_scenarios),
        _headroom(subject, memory, limits.memory_headroom),
    )


def _coding(subject: "Subject", memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        _score(subject, "humaneval", limits.coding_score),
        _kept_quality(subject, "humaneval"),
        _ttft(subject, limits.chat_context, limits.chat_ttft),
        _decode_rate(subject, limits.chat_context, limits.coding_rate),
        _headroom(subject, memory, limits.memory_headroom),
    )


def _documents(subject: "Subject", memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        _ttft(subject, limits.document_context, limits.document_ttft),
        _decode_rate(subject, limits.document_context, limits.document_rate),
        _long_texts(subject),
        _headroom(subject, memory, limits.memory_headroom),
    )


def _users(subject: "Subject", memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        _within_level(subject, limits.users_clients, limits.users_share),
        _headroom(subject, memory, limits.memory_headroom),
    )


_RULES: dict[Use, Callable[["Subject", int | None, Thresholds], tuple[Reason, ...]]] = {
    "chat": _chat,
    "coding": _coding,
    "documents": _documents,
    "users": _users,
}


# -- the rules -----------------------------------------------------------------------------------------


def _ttft(subject: "Subject", context: int, limit: float) -> Reason:
    row = _cold_row(subject, context)
    figure = row.ttft if row else None
    return _timed("ttft", figure.median if figure else None, figure.count if figure else None, limit, "low", context)


def _decode_rate(subject: "Subject", context: int, limit: float) -> Reason:
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


def _score(subject: "Subject", task: str, limit: float) -> Reason:
    """Settled where the whole interval lies on one side of the limit."""
    return _share(f"score:{task}", _measured(subject, task), limit, essential=True)


def _kept_quality(subject: "Subject", task: str) -> Reason:
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


def _scenarios(subject: "Subject", limit: float) -> Reason:
    asked = [scenario for scenario in subject.scenarios if not scenario.left_out]
    return _counted("scenarios", sum(scenario.passed for scenario in asked), len(asked), limit, essential=False)


def _long_texts(subject: "Subject") -> Reason:
    asked = [one for one in subject.scenarios if one.key in LONG_SCENARIOS and not one.left_out]
    return _counted("long", sum(scenario.passed for scenario in asked), len(asked), 1.0, essential=True)


LONG_SCENARIOS = ("summary", "extraction")  # those about a long document


def _within_level(subject: "Subject", clients: int, limit: float) -> Reason:
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


def _headroom(subject: "Subject", memory: int | None, limit: float) -> Reason:
    peak = peak_memory(subject)
    figure = 1 - peak / memory if peak and memory else None
    finding: Finding = "unmeasured" if figure is None else "met" if figure >= limit else "missed"
    return Reason(rule="headroom", finding=finding, essential=False, better="high", limit=limit, figure=figure)


def peak_memory(subject: "Subject") -> int | None:
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


def _measured(subject: "Subject", task: str) -> Rate | None:
    summary = next((one for one in subject.tasks if one.task == task), None)
    return summary.strict if summary and summary.strict.of else None


def _cold_row(subject: "Subject", context: int) -> LatencyRow | None:
    """The row of that many tokens without a prefix in the cache."""
    rows = subject.latency.rows if subject.latency else ()
    return next((row for row in rows if row.context == context and not row.warm and not row.refused), None)
