"""Quality: scores with their intervals, beside what was claimed and published, and models compared in pairs."""

from collections.abc import Iterable

from sevenb.lab.report.claims import CLAIMS_7B, WEIGHTS_CLAIMED, WEIGHTS_OFFICIAL, Claim, is_7b_instruct
from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Block, Cell, Fold, Head, Plot, Plots, Row, Section, Table, Text, Tongue
from sevenb.lab.report.page.plots.charts import Share, intervals
from sevenb.lab.report.page.sections.missing import not_measured
from sevenb.lab.report.report import Comparison, Report, Subject
from sevenb.lab.results import TaskSummary
from sevenb.lab.runs.quality import SURE
from sevenb.lab.statistics import Rate

_SEVEN = "Qwen2.5-7B-Instruct"


def section(report: Report, t: Tongue) -> Section:
    """Tasks, claims, pairs."""
    blocks: list[Block] = []
    if drawings := plots(report, t):
        blocks.append(Plots(drawings))
    measured = [(subject, summary) for subject in report.subjects for summary in subject.tasks]
    if measured:
        blocks.append(_scores(measured, t))
        blocks += _groups(measured, t)
    blocks += not_measured(report, "eval", t)
    blocks += [Head(t("Claim · official · measured", "宣称 · 官方 · 实测")), *_claims(report, t)]
    if report.comparisons:
        blocks += [Head(t("Pairs of models on the same items", "模型两两对比（相同题目）")), _pairs(report, t)]
    return Section("quality", t("Quality", "质量"), blocks)


def plots(report: Report, t: Tongue) -> list[Plot]:
    """Every task's scores with their intervals, and the published figure as a mark."""
    groups = []
    for task, title in {summary.task: summary.title for one in report.subjects for summary in one.tasks}.items():
        shares = [
            Share(
                index,
                subject.name,
                summary.strict.value,
                summary.strict.low,
                summary.strict.high,
                summary.published.value / 100 if summary.published else None,
            )
            for index, subject in enumerate(report.subjects)
            for summary in subject.tasks
            if summary.task == task and summary.strict.of
        ]
        if shares:
            groups.append((title, shares))
    if not groups:
        return []
    title = t("Scores with 95 % intervals", "得分与 95 % 置信区间")
    legend = [(index, subject.name) for index, subject in enumerate(report.subjects) if subject.tasks]
    sheet = intervals(groups, t("items right, strict", "严格判对的题目"), t("published", "官方公布"), legend)
    described = t(
        f"{title}: a point and its Wilson interval for each model, a diamond where a score was published. "
        "The figures are in the table below.",
        f"{title}：每个模型一个点及其 Wilson 区间，菱形为官方成绩。数值见下表。",
    )
    return [Plot(f"{t.language}-plot-quality", sheet, title, described)]


# -- tables --------------------------------------------------------------------------------------------


def _scores(measured: Iterable[tuple[Subject, TaskSummary]], t: Tongue) -> Table:
    head = [
        t("Model", "模型"),
        t("Task", "任务"),
        t("Strict", "严格"),
        t("95 % interval", "95 % 区间"),
        t("Flexible", "宽松"),
        t("Items", "题数"),
        t("Truncated", "截断"),
        t("Unparsed", "无法解析"),
        t("Failed", "失败"),
        t("Published", "官方"),
    ]
    rows: list[Row] = []
    for subject, summary in measured:
        setting = t(
            f"{summary.metric}, {summary.shots}-shot, {summary.preset}",
            f"{summary.metric}，{summary.shots}-shot，{summary.preset}",
        )
        rows.append(
            [
                subject.name,
                Cell(summary.title, setting),
                Cell(figures.percent(summary.strict.value), f"{summary.strict.right} / {summary.strict.of}"),
                figures.interval(summary.strict),
                Cell(
                    figures.percent(summary.flexible.value),
                    f"{summary.flexible.right} / {summary.flexible.of}",
                ),
                Cell(figures.count(summary.strict.of), t(f"of {summary.of:,}", f"共 {summary.of:,}")),
                _share(summary.truncated, summary.strict.of),
                _share(summary.unparsed, summary.strict.of),
                Cell(str(summary.failed), tone="bad" if summary.failed else ""),
                published_cell(summary),
            ]
        )
    caption = t(
        "Scores. Strict: the answer in the form that was asked for; flexible: wherever it stands",
        "得分。严格：答案须符合要求的格式；宽松：答案出现在任何位置均可",
    )
    return Table(caption, head, rows, frozenset(range(2, 10)))


def published_cell(summary: TaskSummary) -> Cell:
    """The published score with its source."""
    if summary.published is None:
        return Cell(figures.NONE, tone="faint")
    note = ", ".join(part for part in (summary.published.source, summary.published.note) if part)
    return Cell(f"{summary.published.value:.1f} %", note)


def beside(measured: Rate, official: float | None, t: Tongue) -> Cell:
    """Whether a published score, in percent, lies within the measured interval."""
    if official is None or not measured.of:
        return Cell(figures.NONE, tone="faint")
    if measured.high * 100 < official:
        return Cell(t("lower than published", "低于官方"), tone="bad")
    if measured.low * 100 > official:
        return Cell(t("higher than published", "高于官方"), tone="good")
    return Cell(t("agrees: within the interval", "一致：在区间内"), tone="good")


def _share(number: int, of: int) -> Cell:
    return Cell(str(number), figures.percent(number / of) if of else "", "unsure" if number else "")


def _groups(measured: Iterable[tuple[Subject, TaskSummary]], t: Tongue) -> list[Block]:
    folds: list[Block] = []
    for subject, summary in measured:
        if not summary.groups:
            continue
        rows = [
            [name, figures.percent(rate.value), figures.interval(rate), f"{rate.right} / {rate.of}"]
            for name, rate in summary.groups.items()
        ]
        head = [
            t("Subject", "科目"),
            t("Score", "得分"),
            t("95 % interval", "95 % 区间"),
            t("Right / items", "判对 / 题数"),
        ]
        title = t(f"{summary.title} by subject: {subject.name}", f"{summary.title} 分科成绩：{subject.name}")
        folds.append(Fold(title, [Table(title, head, rows, frozenset({1, 2, 3}))]))
    return folds


def _claims(report: Report, t: Tongue) -> list[Block]:
    """Measured beside official for every subject, and the 7B's claims whether it is among them or not."""
    blocks: list[Block] = []
    head = [
        t("Model", "模型"),
        t("Figure", "指标"),
        t("Blog posts claim", "博客宣称"),
        t("Official", "官方"),
        t("Measured", "实测"),
        t("Measured beside official", "实测与官方"),
    ]
    rows: list[Row] = [
        [
            subject.name,
            summary.title,
            figures.NONE,
            published_cell(summary),
            _measured(summary, t),
            beside(summary.strict, summary.published.value, t),
        ]
        for subject in report.subjects
        if not is_7b_instruct(subject.model)
        for summary in subject.tasks
        if summary.published
    ]
    sevens = [subject for subject in report.subjects if is_7b_instruct(subject.model)]
    for seven in sevens or (None,):
        rows += [*(_claim(claim, seven, t) for claim in CLAIMS_7B), _claimed_weights(seven, t)]
    caption = t(
        "What is told of these models, and what was measured here",
        "关于这些模型的说法，与这里的实测结果",
    )
    blocks.append(Table(caption, head, rows, frozenset({2, 3, 4})))
    if not sevens:
        blocks.append(
            Text(
                t(
                    "Qwen2.5-7B-Instruct is not among the models of this report; sevenb report qwen2.5:7b measures it.",
                    "本报告未包含 Qwen2.5-7B-Instruct；可用 sevenb report qwen2.5:7b 测量。",
                ),
                "faint",
            )
        )
    return blocks


def _claim(claim: Claim, subject: Subject | None, t: Tongue) -> Row:
    """A line of what is told of the 7B, with what was measured of it."""
    summary = next((one for one in subject.tasks if one.task == claim.task), None) if subject else None
    official = claim.official.value if claim.official else None
    return [
        subject.name if subject else _SEVEN,
        claim.title,
        claim.claimed,
        Cell(figures.NONE if official is None else f"{official:.1f} %", t.of(claim.note)),
        _measured(summary, t) if summary else Cell(t("not measured", "未测量"), tone="faint"),
        beside(summary.strict, official, t) if summary else Cell(figures.NONE, tone="faint"),
    ]


def _claimed_weights(subject: Subject | None, t: Tongue) -> Row:
    rows = subject.memory.rows if subject and subject.memory else ()
    weighed = next((row for row in rows if row.weights), None)
    return [
        subject.name if subject else _SEVEN,
        t("weights in fp16", "fp16 权重"),
        WEIGHTS_CLAIMED,
        Cell(WEIGHTS_OFFICIAL, t("7.6 B parameters of 2 bytes", "76 亿参数，每个 2 字节")),
        Cell(figures.memory(weighed.weights), weighed.mode)
        if weighed
        else Cell(t("not measured", "未测量"), tone="faint"),
        Cell(figures.NONE, tone="faint"),
    ]


def _measured(summary: TaskSummary, t: Tongue) -> Cell:
    items = t(f"{summary.strict.of} items", f"{summary.strict.of} 题")
    return Cell(figures.percent(summary.strict.value), f"{figures.interval(summary.strict)}, {items}")


def _pairs(report: Report, t: Tongue) -> Table:
    head = [
        t("Task", "任务"),
        t("First", "甲"),
        t("Second", "乙"),
        t("Items", "题数"),
        t("Only the first right", "仅甲判对"),
        t("Only the second right", "仅乙判对"),
        t("p (McNemar)", "p（McNemar）"),
        t("Meaning", "含义"),
    ]
    rows = [_pair_cells(pair, t) for pair in report.comparisons]
    caption = t(
        "McNemar's exact test, two-sided: only items that one of the two got right tell them apart",
        "McNemar 精确检验（双侧）：只有一方判对的题目才能区分两者",
    )
    return Table(caption, head, rows, frozenset({3, 4, 5, 6}))


def _pair_cells(pair: Comparison, t: Tongue) -> Row:
    difference = pair.difference
    if difference.p >= SURE:
        meaning = t("no difference shown", "未见显著差异")
    else:
        better = pair.first if difference.only_first > difference.only_second else pair.second
        meaning = t(f"{better} is better", f"{better} 更好")
    return [
        pair.title,
        Cell(pair.first, figures.percent(pair.first_rate.value)),
        Cell(pair.second, figures.percent(pair.second_rate.value)),
        figures.count(pair.items),
        str(difference.only_first),
        str(difference.only_second),
        f"{difference.p:.2g}" if difference.p >= 0.0001 else "< 0.0001",
        meaning,
    ]
