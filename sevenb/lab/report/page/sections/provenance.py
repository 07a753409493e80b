"""What the figures rest on: the verdict's rules, definitions, the machine, models and hashes, settings, data, runs."""

from typing import Any

import msgspec

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Code, Head, Row, Section, Table, Text, Tongue
from sevenb.lab.report.page.sections.missing import step_name
from sevenb.lab.report.report import Report
from sevenb.lab.report.verdict import Thresholds


def rules_section(report: Report, t: Tongue) -> Section:
    """The verdict's rules in words, and every threshold."""
    limits = report.thresholds
    chat, document = figures.tokens(limits.chat_context), figures.tokens(limits.document_context)
    rows: list[Row] = [
        [
            t("Chat", "对话"),
            t(
                f"TTFT at {chat} ≤ {limits.chat_ttft:g} s; decode at {chat} ≥ {limits.chat_rate:g} tok/s",
                f"{chat} 时 TTFT ≤ {limits.chat_ttft:g} s；{chat} 时解码 ≥ {limits.chat_rate:g} tok/s",
            ),
            t(
                f"scenarios passed ≥ {limits.chat_scenarios:.0%}; memory left ≥ {limits.memory_headroom:.0%}",
                f"场景通过 ≥ {limits.chat_scenarios:.0%}；剩余内存 ≥ {limits.memory_headroom:.0%}",
            ),
        ],
        [
            t("Coding", "编程"),
            t(
                f"HumanEval ≥ {limits.coding_score:.0%}; TTFT at {chat} ≤ {limits.chat_ttft:g} s; "
                f"decode at {chat} ≥ {limits.coding_rate:g} tok/s",
                f"HumanEval ≥ {limits.coding_score:.0%}；{chat} 时 TTFT ≤ {limits.chat_ttft:g} s；"
                f"{chat} 时解码 ≥ {limits.coding_rate:g} tok/s",
            ),
            t(
                f"the published HumanEval score is not above the interval; memory left ≥ {limits.memory_headroom:.0%}",
                f"官方 HumanEval 成绩不高于实测区间；剩余内存 ≥ {limits.memory_headroom:.0%}",
            ),
        ],
        [
            t("Long documents", "长文档"),
            t(
                f"TTFT at {document} ≤ {limits.document_ttft:g} s; decode at {document} ≥ {limits.document_rate:g} "
                "tok/s; every long-document scenario passed",
                f"{document} 时 TTFT ≤ {limits.document_ttft:g} s；{document} 时解码 ≥ {limits.document_rate:g} "
                "tok/s；长文档场景全部通过",
            ),
            t(f"memory left ≥ {limits.memory_headroom:.0%}", f"剩余内存 ≥ {limits.memory_headroom:.0%}"),
        ],
        [
            t("Several users", "多人同时使用"),
            t(
                f"with {limits.users_clients} clients at once, requests in time ≥ {limits.users_share:.0%}",
                f"{limits.users_clients} 个客户端同时使用时，按时完成的请求 ≥ {limits.users_share:.0%}",
            ),
            t(f"memory left ≥ {limits.memory_headroom:.0%}", f"剩余内存 ≥ {limits.memory_headroom:.0%}"),
        ],
    ]
    told = t(
        "“Yes”: every rule is met. “With limits”: a further rule is missed. “No”: an essential rule is missed. “Not "
        "settled”: an essential rule was not measured, or the interval of its figure reaches across the limit. Further "
        "rules that were not measured lower nothing.",
        "“适合”：满足所有规则。“有限制”：未满足某条附加规则。“不适合”：未满足某条必要规则。"
        "“未定”：某条必要规则未测量，或其置信区间跨过了界限。未测量的附加规则不影响结论。",
    )
    changed = t(
        "Other limits: sevenb report --from report.json --threshold NAME=VALUE writes the same figures with another "
        f"verdict. Names: {', '.join(Thresholds.__struct_fields__)}.",
        "更改界限：sevenb report --from report.json --threshold NAME=VALUE，数据不变，重新得出结论。"
        f"可用名称：{'、'.join(Thresholds.__struct_fields__)}。",
    )
    head = [t("Use", "用途"), t("Essential rules", "必要规则"), t("Further rules", "附加规则")]
    table = Table(t("The rules of the verdict", "结论的规则"), head, rows)
    return Section("rules", t("How the verdict is made", "结论如何得出"), [Text(told), table, Text(changed)])


def definitions_section(report: Report, t: Tongue) -> Section:
    """What each figure means."""
    rows = [[name, t.of(titles)] for name, titles in report.definitions.items()]
    table = Table(t("What the figures mean", "各指标的含义"), [t("Figure", "指标"), t("Meaning", "含义")], rows)
    return Section("definitions", t("Definitions", "定义"), [table])


def provenance_section(report: Report, t: Tongue) -> Section:
    """Machine, models, data, runs."""
    blocks: list[Block] = [_machine(report, t), _models(report, t)]
    if data := _data(report, t):
        blocks.append(data)
    if runs := _runs(report, t):
        blocks += [
            runs,
            Text(t("sevenb runs show ID has every sample of a run.", "sevenb runs show ID 可查看每个样本。")),
        ]
    warnings = {
        warning: subject.name for subject in report.subjects for run in subject.runs for warning in run.warnings
    }
    blocks += [Text(f"{name}: {warning}", "unsure") for warning, name in warnings.items()]
    if report.command:
        blocks += [Head(t("Made by", "生成命令")), Code(report.command)]
    return Section("provenance", t("Machine, models, data, settings", "机器、模型、数据、设置"), blocks)


def machine_line(machine: dict[str, Any], t: Tongue) -> str:
    """The machine in a line: for the top of a report."""
    cores = machine.get("cores")
    parts = [
        str(machine.get("cpu") or t("unknown processor", "未知处理器")),
        t(f"{cores:g} cores", f"{cores:g} 核") if isinstance(cores, int | float) else "",
        figures.memory(memory) if isinstance(memory := machine.get("memory"), int | float) else "",
        *(str(gpu) for gpu in machine.get("gpus") or ()),
        str(machine.get("system") or ""),
    ]
    return " · ".join(part for part in parts if part)


def _machine(report: Report, t: Tongue) -> Table:
    names = {
        "cpu": t("Processor", "处理器"),
        "cores": t("Cores that may be used", "可用核数"),
        "memory": t("Memory", "内存"),
        "gpus": "GPU",
        "system": t("System", "系统"),
        "python": "Python",
        "free_cores": t("Cores that were free at the beginning", "开始时空闲的核数"),
        "load": t("Load at the beginning", "开始时的负载"),
    }
    rows = [[names.get(name, name), _setting(value, name)] for name, value in report.machine.items()]
    rows.append(["sevenb", report.sevenb])
    if report.sandbox:
        rows.append([t("Sandbox of generated code", "生成代码的沙箱"), report.sandbox])
    head = [t("Property", "属性"), t("Value", "值")]
    return Table(t("The machine that measured", "进行测量的机器"), head, rows)


def _models(report: Report, t: Tongue) -> Table:
    head = [
        t("Model", "模型"),
        t("Server", "服务器"),
        t("Quantisation", "量化"),
        t("Parameters", "参数量"),
        t("Context", "上下文"),
        "SHA-256",
        t("Template", "模板"),
    ]
    rows: list[Row] = []
    for subject in report.subjects:
        facts = subject.facts
        where = subject.url or t("started for this report", "为本报告启动")
        rows.append(
            [
                Cell(subject.name, subject.model if subject.model != subject.name else ""),
                Cell(facts.engine or figures.NONE, ", ".join(part for part in (where, facts.device) if part)),
                facts.quantization or figures.NONE,
                figures.NONE if facts.parameters is None else f"{facts.parameters / 1e9:.2f} B",
                figures.NONE if facts.context_length is None else f"{facts.context_length:,} tok",
                figures.digest(facts.model_sha256),
                figures.digest(facts.template_sha256),
            ]
        )
    return Table(
        t("Models, as their servers describe them", "模型（以服务器的描述为准）"), head, rows, frozenset({3, 4})
    )


def _data(report: Report, t: Tongue) -> Table | None:
    found = {(summary.data.sha256, summary.task): summary for subject in report.subjects for summary in subject.tasks}
    if not found:
        return None
    head = [
        t("Task", "任务"),
        t("Data", "数据"),
        t("Licence", "许可证"),
        t("Items", "题数"),
        "SHA-256",
        t("Prompt", "提示方式"),
        t("Extraction", "提取方式"),
        t("Settings", "设置"),
    ]
    rows: list[Row] = [
        [
            Cell(summary.title, summary.preset),
            Cell(summary.data.name, summary.data.source),
            summary.data.licence,
            figures.count(summary.data.items),
            figures.digest(summary.data.sha256),
            summary.template,
            summary.extraction,
            _settings(summary.settings),
        ]
        for summary in found.values()
    ]
    return Table(t("Data and how it was put", "数据与提问方式"), head, rows, frozenset({3}))


def _runs(report: Report, t: Tongue) -> Table | None:
    rows = [
        [
            subject.name,
            step_name(run.kind, t),
            run.id,
            figures.moment(run.started),
            run.state,
            _settings(run.settings),
        ]
        for subject in report.subjects
        for run in subject.runs
    ]
    if not rows:
        return None
    head = [
        t("Model", "模型"),
        t("What", "内容"),
        t("Run", "运行"),
        t("Begun", "开始"),
        t("State", "状态"),
        t("Settings", "设置"),
    ]
    return Table(t("The runs that this report is made of", "本报告所依据的运行"), head, rows)


def _settings(settings: dict[str, Any]) -> str:
    shown = {name: value for name, value in settings.items() if not name.endswith("sha256")}
    return ", ".join(f"{name} {_setting(value, name)}" for name, value in shown.items() if value is not None)


def _setting(value: Any, name: str = "") -> str:
    if name == "memory" and isinstance(value, int | float):
        return figures.memory(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(_setting(one) for one in value) or figures.NONE
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode()
    return str(value)
