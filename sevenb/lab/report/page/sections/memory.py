"""Memory by mode: weights, KV cache, activations and the process."""

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Plot, Plots, Row, Section, Table, Tongue
from sevenb.lab.report.page.plots.charts import Bar, stacked_bars
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.page.sections.speed import plot_of
from sevenb.lab.report.report import Report
from sevenb.lab.results import MemoryRow

_GIB = 1 << 30
_PARTS = ((0, "weights"), (1, "kv"), (2, "activations"), (5, "other"))


def section(report: Report, t: Tongue) -> Section:
    """Weights, KV cache, activations and the process at its peak, by mode."""
    blocks: list[Block] = []
    if drawings := plots(report, t):
        blocks.append(Plots(drawings))
    rows = [
        _memory_cells(subject.name, row) for subject in report.subjects if subject.memory for row in subject.memory.rows
    ]
    if rows:
        head = [
            t("Model", "模型"),
            t("Mode", "模式"),
            t("Tokens in the cache", "缓存中的 token"),
            t("Weights", "权重"),
            t("KV used", "KV 已用"),
            t("KV reserved", "KV 预留"),
            t("Activations, peak", "激活峰值"),
            t("Process, peak", "进程峰值"),
            t("Predicted", "预测"),
        ]
        caption = t(
            "Memory by mode, one measurement each; “predicted” is what sevenb plan computes for the process",
            "各模式的内存，各测一次；“预测”为 sevenb plan 对该进程的计算值",
        )
        blocks.append(Table(caption, head, rows, frozenset(range(2, 9))))
    blocks += not_measured(report, "memory", t)
    return Section("memory", t("Memory", "内存"), blocks)


def plots(report: Report, t: Tongue) -> list[Plot]:
    """A bar a mode: what the process consists of, and where the device ends."""
    names = {
        "weights": t("weights", "权重"),
        "kv": t("KV cache", "KV 缓存"),
        "activations": t("activations", "激活"),
        "other": t("other", "其他"),
    }
    bars = [
        Bar(
            f"{subject.name} · {row.mode}",
            [(series, parts[part] / _GIB) for series, part in _PARTS],
            figures.memory(sum(parts.values())),
        )
        for subject in report.subjects
        if subject.memory
        for row in subject.memory.rows
        if sum((parts := memory_parts(row)).values())
    ]
    if not bars:
        return []
    limit = report.machine.get("memory")
    limit_name = t(f"this machine: {figures.memory(limit)}", f"本机：{figures.memory(limit)}")
    title = t("What the memory is taken by", "内存构成")
    sheet = stacked_bars(
        bars, [(series, names[part]) for series, part in _PARTS], "GiB", limit / _GIB if limit else None, limit_name
    )
    described = t(
        f"{title}: a bar for each mode, from weights to the rest of the process. The figures are in the table below.",
        f"{title}：每种模式一条，从权重到进程其余部分。数值见下表。",
    )
    return [plot_of("memory", sheet, title, described, t)]


def memory_parts(row: MemoryRow) -> dict[str, float]:
    """Bytes of the process by what they are for; ``other``: the rest of the process."""
    parts = {
        "weights": float(row.weights or 0),
        "kv": float(row.kv_used or 0),
        "activations": float(row.activations or 0),
    }
    parts["other"] = max(0.0, (row.process_peak or 0) - sum(parts.values()))
    return parts


def _memory_cells(name: str, row: MemoryRow) -> Row:
    if row.refused:
        left = Cell(row.mode, row.refused, "bad")
        return [name, left, f"{figures.count(row.context)} tok", *[figures.NONE] * 5, figures.memory(row.predicted)]
    error = ""
    if row.predicted and row.process_peak:
        error = f"{(row.predicted / row.process_peak - 1) * 100:+.1f} %"
    return [
        name,
        row.mode,
        f"{figures.count(row.context)} tok",
        *(
            figures.memory(value)
            for value in (row.weights, row.kv_used, row.kv_reserved, row.activations, row.process_peak)
        ),
        Cell(figures.memory(row.predicted), error),
    ]
