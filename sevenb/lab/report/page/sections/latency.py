"""Speed by context: the first token, each further one, and tokens a second."""

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Plot, Plots, Row, Section, Table, Tongue
from sevenb.lab.report.page.plots.charts import Line, Point, line_chart
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.page.sections.speed import notes_of, plot_of
from sevenb.lab.report.report import Report
from sevenb.lab.results import LatencyRow
from sevenb.lab.statistics import Spread


def section(report: Report, t: Tongue) -> Section:
    """Time to first token and tokens a second against context."""
    blocks: list[Block] = []
    if drawings := plots(report, t):
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
        blocks += notes_of(report, lambda subject: subject.latency.rows if subject.latency else ())
    blocks += not_measured(report, "latency", t)
    return Section("latency", t("Speed by context", "各上下文长度的速度"), blocks)


def plots(report: Report, t: Tongue) -> list[Plot]:
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
        found.append(plot_of(key, sheet, title, described, t))
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
