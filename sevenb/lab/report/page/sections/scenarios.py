"""Scenarios: which were passed, and every prompt, answer and check in full, folded."""

from collections.abc import Sequence

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Fold,
    Head,
    Row,
    Section,
    Table,
    Text,
    Tone,
    Tongue,
)
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.report import Report, ReportedExchange, ReportedScenario, Titles

_ROLES = {"system": ("System", "系统"), "user": ("User", "用户"), "assistant": ("Assistant", "助手")}

Tried = tuple[str, ReportedScenario]  # by which subject


def section(report: Report, t: Tongue) -> Section:
    """A table of what was passed, then the texts."""
    blocks: list[Block] = []
    titles = {scenario.key: scenario.title for subject in report.subjects for scenario in subject.scenarios}
    if titles:
        names = [subject.name for subject in report.subjects if subject.scenarios]
        found = {
            key: [(one.name, scenario) for one in report.subjects for scenario in one.scenarios if scenario.key == key]
            for key in titles
        }
        caption = t(
            "Scenarios: passed if every check holds; one try each, deterministic checks",
            "场景：所有检查都满足才算通过；每个场景一次，检查为确定性规则",
        )
        rows = [_row(titles[key], key, names, dict(tried), t) for key, tried in found.items()]
        blocks.append(Table(caption, [t("Scenario", "场景"), *names], rows))
        blocks.append(Head(t("Full texts", "全文")))
        blocks += [Fold(t.of(titles[key], key), _texts(report, tried, t), _tone(tried)) for key, tried in found.items()]
    blocks += not_measured(report, "scenarios", t)
    return Section("scenarios", t("Scenarios", "场景"), blocks)


def _row(title: Titles, key: str, names: Sequence[str], tried: dict[str, ReportedScenario], t: Tongue) -> Row:
    return [t.of(title, key), *(_verdict(tried.get(name), t) for name in names)]


def _verdict(scenario: ReportedScenario | None, t: Tongue) -> Cell:
    if scenario is None or scenario.left_out:
        return Cell(t("not tried", "未进行"), scenario.left_out or "" if scenario else "", "faint")
    checks = [check for exchange in scenario.exchanges for check in exchange.checks]
    passed = sum(check.passed for check in checks)
    counted = t(f"{passed} of {len(checks)} checks", f"{passed} / {len(checks)} 项检查")
    word = t("passed", "通过") if scenario.passed else t("failed", "未通过")
    return Cell(word, counted, "good" if scenario.passed else "bad")


def _tone(tried: Sequence[Tried]) -> Tone:
    asked = [scenario for _, scenario in tried if not scenario.left_out]
    if not asked:
        return "faint"
    passed = sum(scenario.passed for scenario in asked)
    return "good" if passed == len(asked) else "unsure" if passed else "bad"


def _texts(report: Report, tried: Sequence[Tried], t: Tongue) -> list[Block]:
    """Each prompt once, with the answers of all who were asked it."""
    blocks: list[Block] = [Text(f"{name}: {one.left_out}", "faint") for name, one in tried if one.left_out]
    asked = {exchange.key: exchange.title for _, scenario in tried for exchange in scenario.exchanges}
    for key, title in asked.items():
        if len(asked) > 1:
            blocks.append(Head(t.of(title, key)))
        by_prompt: dict[str, list[tuple[str, ReportedExchange]]] = {}
        for name, scenario in tried:
            for exchange in scenario.exchanges:
                if exchange.key == key:
                    by_prompt.setdefault(exchange.prompt, []).append((name, exchange))
        for prompt, answers in by_prompt.items():
            blocks += _prompt(report, prompt, t)
            for name, exchange in answers:
                blocks += _answer(report, name, exchange, t)
    return blocks


def _prompt(report: Report, prompt: str, t: Tongue) -> list[Block]:
    blocks: list[Block] = []
    for message in report.prompts.get(prompt, []):
        role = str(message.get("role", ""))
        blocks += [Text(t(*_ROLES.get(role, (role, role))), "faint"), Code(str(message.get("content", "")))]
    return blocks


def _answer(report: Report, name: str, exchange: ReportedExchange, t: Tongue) -> list[Block]:
    if exchange.failure:
        return [Text(f"{name}: {exchange.failure}", "bad")]
    told = [
        f"{figures.count(exchange.prompt_tokens)} + {figures.count(exchange.completion_tokens)} tokens",
        f"TTFT {figures.seconds(exchange.ttft)}",
        f"E2E {figures.seconds(exchange.seconds)}",
        f"finish_reason {exchange.finish_reason or figures.NONE}",
    ]
    checks = [
        f"{'✓' if check.passed else '✗'} {t.of(report.checks.get(check.name, {}), check.name)}"
        + (f": {check.detail}" if check.detail else "")
        for check in exchange.checks
    ]
    answered = Text(t(f"Answer of {name} ({', '.join(told)})", f"{name} 的回答（{'，'.join(told)}）"), "faint")
    return [answered, Code(exchange.answer), *([Bullets(checks)] if checks else [])]
