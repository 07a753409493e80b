"""The verdict: for which uses a model on this hardware is good enough, by rules that the report states."""

from collections.abc import Callable, Sequence

from sevenb.lab.report import findings
from sevenb.lab.report.report import Subject
from sevenb.lab.report.verdict import USES, Outcome, Reason, Thresholds, Use, Verdict


def verdicts(subjects: Sequence[Subject], device_memory: int | None, limits: Thresholds) -> tuple[Verdict, ...]:
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


def _chat(subject: Subject, memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        findings.ttft(subject, limits.chat_context, limits.chat_ttft),
        findings.decode_rate(subject, limits.chat_context, limits.chat_rate),
        findings.scenarios_passed(subject, limits.chat_scenarios),
        findings.headroom(subject, memory, limits.memory_headroom),
    )


def _coding(subject: Subject, memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        findings.score(subject, "humaneval", limits.coding_score),
        findings.kept_quality(subject, "humaneval"),
        findings.ttft(subject, limits.chat_context, limits.chat_ttft),
        findings.decode_rate(subject, limits.chat_context, limits.coding_rate),
        findings.headroom(subject, memory, limits.memory_headroom),
    )


def _documents(subject: Subject, memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        findings.ttft(subject, limits.document_context, limits.document_ttft),
        findings.decode_rate(subject, limits.document_context, limits.document_rate),
        findings.long_texts_passed(subject),
        findings.headroom(subject, memory, limits.memory_headroom),
    )


def _users(subject: Subject, memory: int | None, limits: Thresholds) -> tuple[Reason, ...]:
    return (
        findings.in_time(subject, limits.users_clients, limits.users_share),
        findings.headroom(subject, memory, limits.memory_headroom),
    )


_RULES: dict[Use, Callable[[Subject, int | None, Thresholds], tuple[Reason, ...]]] = {
    "chat": _chat,
    "coding": _coding,
    "documents": _documents,
    "users": _users,
}
