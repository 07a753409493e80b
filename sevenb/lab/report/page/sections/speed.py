"""Speed and memory: latency by context, memory by mode, several clients."""

from collections.abc import Callable, Sequence

from sevenb.lab.report.findings import within_level
from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Plot, Plots, Row, Section, Table, Text, Tongue
from sevenb.lab.report.page.plots.charts import Bar, Line, Point, line_chart, stacked_bars
from sevenb.lab.report.page.plots.drawing import Sheet
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.report import Report, Subject
from sevenb.lab.results import LatencyRow, LoadRow, MemoryRow, ServiceLevel
from sevenb.lab.statistics import Spread

_GIB = 1 << 30


# -- latency -------------------------------------------------------------------------------------------


def latency_section(report: Report, t: Tongue) -> Section:
    """Time to first token and tokens a second against context."""
    blocks: list[Block] = []
    if drawings := latency_plots(report, t):
        blocks.append(Plots(drawings))
    rows = [
        _latency_cells(subject.name, row, t)
        for subject in report.subjects
        if subject.latency
        for row in subject.latency.rows
    ]
    if rows:
        head = [
            t("Model", "模型"),
            t("Context", "上下文"),
            t("Prompt", "提示"),
            "TTFT",
            "TPOT",
            "ITL",
            t("Decode", "解码"),
            t("Prefill", "预填充"),
            t("Output ÷ E2E", "输出 ÷ E2E"),
            "n",
        ]
        caption = t(
            "Latency by context, one request at a time: medians of n, under them p95",
            "各上下文长度的延迟，逐个请求：n 次的中位数，下方为 p95",
        )
        blocks.append(Table(caption, head, rows, frozenset(range(1, 10))))
        blocks += _notes(report, lambda subject: subject.latency.rows if subject.latency else ())
    blocks += not_measured(report, "latency", t)
    return Section("latency", t("Speed by context", "各上下文长度的速度"), blocks)


def latency_plots(report: Report, t: Tongue) -> list[Plot]:
    """TTFT, and tokens a second, against the prompt's tokens; of cold rows."""
    cold = [
        (index, subject.name, [row for row in subject.latency.rows if not row.warm and row.ttft])
        for index, subject in enumerate(report.subjects)
        if subject.latency
    ]
    ticks = {float(row.context): figures.tokens(row.context) for _, _, rows in cold for row in rows}
    if not ticks:
        return []
    found = []
    for key, field, label, title in (
        ("ttft", "ttft", t("seconds", "秒"), t("Time to first token against context", "首 token 时间随上下文变化")),
        ("rate", "decode_rate", "tok/s", t("Tokens per second against context", "每秒 token 数随上下文变化")),
    ):
        lines = [
            Line(name, index, [_point(row, getattr(row, field)) for row in rows if getattr(row, field)])
            for index, name, rows in cold
        ]
        sheet = line_chart(
            [line for line in lines if line.points], ticks, t("tokens of context", "上下文 token 数"), label
        )
        described = t(
            f"{title}: medians, whiskers from the least to the most. The figures are in the table below.",
            f"{title}：中位数，须线为最小到最大。数值见下表。",
        )
        found.append(_plot(key, sheet, title, described, t))
    return found


def _point(row: LatencyRow, figure: Spread) -> Point:
    return Point(float(row.context), figure.median, figure.low, figure.high)


def _latency_cells(name: str, row: LatencyRow, t: Tongue) -> Row:
    length = Cell(figures.tokens(row.context), t("warm prefix", "前缀已缓存") if row.warm else "")
    if row.refused:
        return [name, length, Cell(t("refused", "被拒绝"), row.refused, "bad"), *[figures.NONE] * 7]
    cached = t(f"{figures.count(row.cached_tokens)} cached", f"其中缓存 {figures.count(row.cached_tokens)}")
    return [
        name,
        length,
        Cell(f"{figures.count(row.prompt_tokens)} tok", cached if row.cached_tokens else ""),
        timed(row.ttft),
        timed(row.tpot),
        timed(row.itl),
        rated(row.decode_rate),
        rated(row.prefill_rate),
        rated(row.output_rate),
        str(row.ttft.count) if row.ttft else figures.NONE,
    ]


def timed(figure: Spread | None) -> Cell:
    """A median with its p95 under it."""
    if figure is None:
        return Cell(figures.NONE, tone="faint")
    return Cell(figures.seconds(figure.median), f"p95 {figures.seconds(figure.p95)}" if figure.count > 1 else "")


def rated(figure: Spread | None) -> Cell:
    """A median of tokens a second."""
    return Cell(figures.rate(figure.median)) if figure else Cell(figures.NONE, tone="faint")


# -- memory --------------------------------------------------------------------------------------------

_PARTS = ((0, "weights"), (1, "kv"), (2, "activations"), (5, "other"))


def memory_section(report: Report, t: Tongue) -> Section:
    """Weights, KV cache, activations and the process at its peak, by mode."""
    blocks: list[Block] = []
    if drawings := memory_plots(report, t):
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


def memory_plots(report: Report, t: Tongue) -> list[Plot]:
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
    return [_plot("memory", sheet, title, described, t)]


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


# -- several clients -----------------------------------------------------------------------------------


def load_section(report: Report, t: Tongue) -> Section:
    """Throughput and goodput against clients."""
    blocks: list[Block] = []
    if drawings := load_plots(report, t):
        blocks.append(Plots(drawings))
    rows = [
        [Cell(subject.name, _level(subject.load.level, t)), *_load_cells(row)]
        for subject in report.subjects
        if subject.load
        for row in subject.load.rows
    ]
    if rows:
        head = [
            t("Model", "模型"),
            t("Clients", "客户端"),
            t("Requests", "请求"),
            t("Failed", "失败"),
            t("Throughput", "吞吐量"),
            t("Goodput", "有效吞吐"),
            t("In time", "按时"),
            "TTFT",
            "TPOT",
            "E2E",
        ]
        caption = t(
            "Several clients at once, each with one request at a time: p50, under it p95, p99 of all its requests",
            "多个客户端同时使用，各自逐个发送请求：p50，下方为该行全部请求的 p95 和 p99",
        )
        blocks.append(Table(caption, head, rows, frozenset(range(1, 10))))
        blocks += _notes(report, lambda subject: subject.load.rows if subject.load else ())
    blocks += not_measured(report, "load", t)
    return Section("load", t("Several clients", "多客户端"), blocks)


def load_plots(report: Report, t: Tongue) -> list[Plot]:
    """Tokens a second of all together, and requests a second in time, against clients."""
    loaded = [
        (index, one.name, [row for row in one.load.rows if row.offered_rate is None])
        for index, one in enumerate(report.subjects)
        if one.load
    ]
    ticks = {float(row.clients): str(row.clients) for _, _, rows in loaded for row in rows}
    if not ticks:
        return []
    found = []
    for key, field, label, title in (
        ("throughput", "output_rate", "tok/s", t("Throughput against clients", "吞吐量随客户端数变化")),
        (
            "goodput",
            "goodput",
            t("requests/s in time", "按时完成的请求/秒"),
            t("Goodput against clients", "有效吞吐随客户端数变化"),
        ),
    ):
        lines = [
            Line(name, index, [Point(float(row.clients), getattr(row, field)) for row in rows])
            for index, name, rows in loaded
        ]
        sheet = line_chart(lines, ticks, t("clients at once", "同时的客户端数"), label)
        described = t(f"{title}. The figures are in the tables below.", f"{title}。数值见下表。")
        found.append(_plot(key, sheet, title, described, t))
    return found


def _level(level: ServiceLevel, t: Tongue) -> str:
    limits = f"TTFT ≤ {level.ttft:g} s, TPOT ≤ {figures.seconds(level.tpot)}"
    return t(f"in time: {limits}", f"按时：{limits}")


def _load_cells(row: LoadRow) -> Row:
    share = within_level(row)
    return [
        str(row.clients) if row.offered_rate is None else f"{row.offered_rate:g} req/s",
        Cell(str(row.requests), figures.seconds(row.seconds)),
        Cell(str(row.failed), tone="bad" if row.failed else ""),
        figures.rate(row.output_rate),
        Cell(figures.rate(row.goodput, "req/s"), f"/ {figures.rate(row.request_rate, 'req/s')}"),
        figures.percent(share, 0),
        *(_three(figure) for figure in (row.ttft, row.tpot, row.e2e)),
    ]


def _three(figure: Spread | None) -> Cell:
    if figure is None:
        return Cell(figures.NONE, tone="faint")
    return Cell(figures.seconds(figure.median), f"{figures.seconds(figure.p95)}, {figures.seconds(figure.p99)}")


def _notes(report: Report, rows_of: Callable[[Subject], Sequence[LatencyRow | LoadRow]]) -> list[Block]:
    """What else must be known of the rows: sentences of the measuring, and why requests failed."""
    notes = dict.fromkeys(
        f"{subject.name}: {note}"
        for subject in report.subjects
        for row in rows_of(subject)
        for note in (*row.notes, *getattr(row, "reasons", ()))
    )
    return [Text(note, "unsure") for note in notes]


def _plot(key: str, sheet: Sheet, title: str, description: str, t: Tongue) -> Plot:
    return Plot(f"{t.language}-plot-{key}", sheet, title, description)
