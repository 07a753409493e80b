"""What was not measured, where it is missed: why, and the command that measures it."""

from sevenb.lab.report.page.blocks import Block, Cell, Code, Row, Section, Table, Text, Tongue
from sevenb.lab.report.report import Gap, Report
from sevenb.lab.runs.record import EVAL


def not_measured(report: Report, step: str, t: Tongue) -> list[Block]:
    """A line for each subject that this step is missing of; ``step`` also stands for ``step:…``."""
    return [
        block
        for gap in report.gaps
        if gap.step == step or gap.step.startswith(f"{step}:")
        for block in (Text(_sentence(gap, t), "faint"), Code(gap.command))
    ]


def _sentence(gap: Gap, t: Tongue) -> str:
    return t(f"{gap.subject}: not measured. {reason(gap, t)}", f"{gap.subject}：未测量。{reason(gap, t)}")


def reason(gap: Gap, t: Tongue) -> str:
    """Why it was not measured: what failed, or that nobody asked for it."""
    return gap.reason or t("It was not asked for.", "本次未要求测量。")


def section(report: Report, t: Tongue) -> Section | None:
    """All of it together."""
    if not report.gaps:
        return None
    rows: list[Row] = [[Cell(gap.subject), step_name(gap.step, t), reason(gap, t), gap.command] for gap in report.gaps]
    head = [t("Model", "模型"), t("What", "内容"), t("Why not", "原因"), t("Measure it with", "测量命令")]
    return Section(
        "missing", t("Not measured", "未测量"), [Table(t("What this report lacks", "本报告缺少的内容"), head, rows)]
    )


def step_name(step: str, t: Tongue) -> str:
    """What a step is called."""
    names = {
        "open": t("everything: the server", "全部：服务器"),
        "latency": t("speed by context", "各上下文长度的速度"),
        "memory": t("memory", "内存"),
        "load": t("several clients", "多客户端"),
        "scenarios": t("scenarios", "场景"),
        "plan": t("will it fit", "能否放下"),
    }
    return names.get(step, step.removeprefix(EVAL))
