"""The verdict: one line that answers the question, then each use with the figures that decided."""

from collections.abc import Sequence

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Judged, Section, Text, Tone, Tongue, VerdictTable
from sevenb.lab.report.report import Report
from sevenb.lab.report.rules import best
from sevenb.lab.report.verdict import USES, Finding, Outcome, Reason, Use, Verdict

_TONES: dict[Finding, Tone] = {"met": "good", "missed": "bad", "unsettled": "unsure", "unmeasured": "faint"}


def section(report: Report, t: Tongue) -> Section:
    """First of all."""
    blocks: list[Block] = [Text(sentence) for sentence in headline(report, t)]
    rows = [
        (subject.name, [_judged(verdict, t) for verdict in report.verdicts if verdict.subject == subject.name])
        for subject in report.subjects
    ]
    caption = t("Good enough for, on this machine", "在这台机器上，适合用来")
    blocks.append(VerdictTable(caption, [t("Model", "模型"), *(use_name(use, t) for use in USES)], rows))
    if report.quick:
        blocks.append(
            Text(
                t(
                    "A quick report: few items and short contexts. It sorts out what is hopeless; "
                    "decide by a full one.",
                    "这是快速报告：题目少、上下文短，只适合排除明显不行的方案；做决定请以完整报告为准。",
                ),
                "unsure",
            )
        )
    if report.gaps:
        count = len(report.gaps)
        blocks.append(
            Text(
                t(
                    f"{count} {'thing was' if count == 1 else 'things were'} not measured: see “Not measured”.",
                    f"有 {count} 项未能测量，见“未测量”。",
                ),
                "unsure",
            )
        )
    return Section("verdict", t("Verdict", "结论"), blocks)


def headline(report: Report, t: Tongue) -> list[str]:
    """Which of several is best, and a sentence about each."""
    sentences = []
    if (name := best(report.verdicts)) is not None:
        sentences.append(t(f"Of these, {name} is good enough for the most uses.", f"其中 {name} 适合的用途最多。"))
    for subject in report.subjects:
        uses: dict[Outcome, list[str]] = {}
        for verdict in report.verdicts:
            if verdict.subject == subject.name:
                uses.setdefault(verdict.outcome, []).append(use_name(verdict.use, t).lower())
        parts = [_said(outcome, listed(uses[outcome], t), t) for outcome in _ORDER if outcome in uses]
        sentences.append(f"{subject.name}{t(': ', '：')}{t('; ', '；').join(parts)}{t('.', '。')}")
    return sentences


def listed(names: Sequence[str], t: Tongue) -> str:
    """``a, b and c``."""
    if len(names) < 2:
        return "".join(names)
    return t(f"{', '.join(names[:-1])} and {names[-1]}", f"{'、'.join(names[:-1])}和{names[-1]}")


def _said(outcome: Outcome, uses: str, t: Tongue) -> str:
    return {
        "yes": t(f"good enough for {uses}", f"适合{uses}"),
        "limits": t(f"with limits for {uses}", f"{uses}有限制"),
        "open": t(f"not settled for {uses}", f"{uses}尚无定论"),
        "no": t(f"not good enough for {uses}", f"不适合{uses}"),
        "unmeasured": t(f"not measured for {uses}", f"{uses}未测量"),
    }[outcome]


_ORDER: tuple[Outcome, ...] = ("yes", "limits", "open", "no", "unmeasured")


def use_name(use: Use, t: Tongue) -> str:
    """What a use is called."""
    return {
        "chat": t("Chat", "对话"),
        "coding": t("Coding", "编程"),
        "documents": t("Long documents", "长文档"),
        "users": t("Several users", "多人同时使用"),
    }[use]


def word(outcome: Outcome, t: Tongue) -> str:
    """What came out."""
    return {
        "yes": t("Yes", "适合"),
        "limits": t("With limits", "有限制"),
        "open": t("Not settled", "未定"),
        "no": t("No", "不适合"),
        "unmeasured": t("Not measured", "未测量"),
    }[outcome]


def _judged(verdict: Verdict, t: Tongue) -> Judged:
    reasons = [(_TONES[reason.finding], reason_text(reason, t)) for reason in verdict.reasons]
    return Judged(verdict.outcome, word(verdict.outcome, t), reasons)


def reason_text(reason: Reason, t: Tongue) -> str:
    """The rule's name, the figure and its count, and the limit that it was held against."""
    name = rule_name(reason, t)
    limit = f"{'≤' if reason.better == 'low' else '≥'} {_limit(reason)}"
    if reason.rule.startswith("kept:"):
        limit = t(f"published {figures.percent(reason.limit)}", f"官方 {figures.percent(reason.limit)}")
    if reason.finding == "unmeasured":
        without = reason.rule.startswith("kept:") and not reason.limit
        missing = t("no published figure", "没有官方数据") if without else t("not measured", "未测量")
        return f"{name}{t(': ', '：')}{missing}" + ("" if without else f" ({limit})")
    text = f"{name}{t(': ', '：')}{_amount(reason, reason.figure)}"
    if reason.low is not None and reason.high is not None:
        text += f" [{reason.low * 100:.0f}–{reason.high * 100:.0f} %]"
    if reason.count is not None:
        text += f", {_counted(reason, t)}"
    return f"{text} ({limit})"


def rule_name(reason: Reason, t: Tongue) -> str:
    """What a rule looks at."""
    at = figures.tokens(reason.at or 0)
    task = {"humaneval": "HumanEval"}.get(reason.rule.partition(":")[2], reason.rule.partition(":")[2])
    names = {
        "ttft": t(f"First token at {at}", f"{at} 时首 token"),
        "rate": t(f"Speed at {at}", f"{at} 时速度"),
        "score": f"{task}",
        "kept": t(f"{task} beside the published score", f"{task} 与官方成绩相比"),
        "scenarios": t("Scenarios passed", "场景通过"),
        "long": t("Long-document scenarios passed", "长文档场景通过"),
        "level": t(f"Requests in time with {reason.at} clients", f"{reason.at} 个客户端时按时完成的请求"),
        "headroom": t("Memory left at the peak", "峰值时剩余内存"),
    }
    return names[reason.rule.partition(":")[0]]


def _counted(reason: Reason, t: Tongue) -> str:
    kind = reason.rule.partition(":")[0]
    if kind in ("ttft", "rate"):
        return t(f"median of {reason.count}", f"{reason.count} 次的中位数")
    if kind == "level":
        return t(f"of {reason.count} requests", f"共 {reason.count} 个请求")
    if kind in ("scenarios", "long"):
        return t(f"of {reason.count}", f"共 {reason.count} 个")
    return t(f"{reason.count} items", f"{reason.count} 题")


def _limit(reason: Reason) -> str:
    kind = reason.rule.partition(":")[0]
    if kind in ("ttft", "rate"):
        return f"{reason.limit:g} {'s' if kind == 'ttft' else 'tok/s'}"
    return f"{reason.limit * 100:g} %"


def _amount(reason: Reason, value: float | None) -> str:
    kind = reason.rule.partition(":")[0]
    if kind == "ttft":
        return figures.seconds(value)
    if kind == "rate":
        return figures.rate(value)
    return figures.percent(value, 0 if kind in ("scenarios", "long", "headroom", "level") else 1)
