"""Several clients: throughput, goodput and waiting."""

from sevenb.lab.report.findings import within_level
from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Plot, Plots, Row, Section, Table, Tongue
from sevenb.lab.report.page.plots.charts import Line, Point, line_chart
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.page.sections.speed import notes_of, plot_of
from sevenb.lab.report.report import Report
from sevenb.lab.results import LoadRow, ServiceLevel
from sevenb.lab.statistics import Spread


def section(report: Report, t: Tongue) -> Section:
    """Throughput and goodput against clients."""
    blocks: list[Block] = []
    if drawings := plots(report, t):
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
        blocks += notes_of(report, lambda subject: subject.load.rows if subject.load else ())
    blocks += not_measured(report, "load", t)
    return Section("load", t("Several clients", "多客户端"), blocks)


def plots(report: Report, t: Tongue) -> list[Plot]:
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
        found.append(plot_of(key, sheet, title, described, t))
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
