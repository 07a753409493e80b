"""Will it fit: the same models on other devices, by arithmetic."""

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Row, Section, Table, Text, Tongue
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.report import PlanRow, Report


def section(report: Report, t: Tongue) -> Section:
    """A row for each model and device."""
    blocks: list[Block] = []
    if report.plan:
        blocks.append(
            Text(
                t(
                    "Computed, not measured: weights + KV cache (context × clients) + activations against each device. "
                    "sevenb plan MODEL shows the arithmetic and other settings.",
                    "以下为计算值，不是实测：权重 + KV 缓存（上下文 × 客户端数）+ 激活，与各设备容量比较。"
                    "sevenb plan MODEL 可查看算式和其他设置。",
                )
            )
        )
        head = [
            t("Model", "模型"),
            t("Device", "设备"),
            t("Context × clients", "上下文 × 客户端"),
            t("Weights", "权重"),
            t("KV cache", "KV 缓存"),
            t("In all", "合计"),
            t("Fits", "能否放下"),
            t("Longest context", "最长上下文"),
            t("Speed of each, at most", "每路速度上限"),
        ]
        caption = t(
            "Will it fit on other devices (computed; the speed is a ceiling by memory bandwidth)",
            "在其他设备上能否放下（计算值；速度为内存带宽决定的上限）",
        )
        blocks.append(Table(caption, head, [_cells(row, t) for row in report.plan], frozenset(range(2, 9)) - {6}))
    blocks += not_measured(report, "plan", t)
    return Section("plan", t("Will it fit elsewhere", "换一台设备能否放下"), blocks)


def _cells(row: PlanRow, t: Tongue) -> Row:
    total = row.weights + row.kv + row.activations + row.other
    longest = t("none", "无") if row.longest_context is None else f"{figures.count(row.longest_context)} tok"
    return [
        Cell(row.model, row.quantization),
        Cell(row.device, figures.memory(row.memory)),
        f"{figures.tokens(row.context)} × {row.concurrency}",
        figures.memory(row.weights),
        figures.memory(row.kv),
        figures.memory(total),
        Cell(t("yes", "能"), tone="good") if row.fits else Cell(t("no", "不能"), tone="bad"),
        longest,
        figures.rate(row.decode_ceiling),
    ]
