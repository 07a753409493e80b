"""Plots of kept results as SVG, legible on light and on dark pages: tokens a second against depth and against batch."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from benchmarks.contenders import OURS
from benchmarks.remote import ROOT
from benchmarks.results import RowResult
from benchmarks.rows import IK, LLAMA_CPP, ROWS, Row
from sevenb.lab.report.page.plots.drawing import round_up

FOLDER = ROOT / "docs" / "plots"

ENGINES = (OURS, IK, LLAMA_CPP)
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a } .title { font-weight: 600; fill: #24292f }
.grid { stroke: #8c959f; stroke-opacity: .3 } .line { fill: none; stroke-width: 2.5 }
.e0 { stroke: #0969da } .e1 { stroke: #bc4c00 } .e2 { stroke: #6e7781 }
.f0 { fill: #0969da } .f1 { fill: #bc4c00 } .f2 { fill: #6e7781 }
@media (prefers-color-scheme: dark) {
text { fill: #9198a1 } .title { fill: #e6edf3 }
.e0 { stroke: #58a6ff } .e1 { stroke: #f0883e } .e2 { stroke: #9198a1 }
.f0 { fill: #58a6ff } .f1 { fill: #f0883e } .f2 { fill: #9198a1 }
}"""
_WIDTH, _HEIGHT = 380, 300  # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 20, 62, 46  # around its axes


@dataclass(frozen=True)
class Panel:
    """One model: a line of (x, tokens a second) for each engine, and the labels of the x axis by x."""

    title: str
    x_label: str
    ticks: dict[float, str]
    lines: dict[str, list[tuple[float, float]]]


def write_plots(results: Sequence[RowResult], folder: Path = FOLDER) -> dict[str, str]:
    """Write both plots from what there is: their paths as a page beside the folder names them, with their titles."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, title, panels in (
        ("depth.svg", "Decoding one sequence, against the tokens before it", depth_panels(results)),
        ("batch.svg", "Decoding several sequences at once, all tokens together", batch_panels(results)),
    ):
        if panels:
            (folder / name).write_text(svg(panels), encoding="utf-8")
            written[f"{folder.name}/{name}"] = title
    return written


def depth_panels(results: Sequence[RowResult]) -> list[Panel]:
    """Decoding one sequence, against the tokens before it."""
    rows = {
        row.key: row for row in ROWS if row.steps and row.sequences == 1 and not (row.rewrite or row.busy or row.isa)
    }
    ticks = {float(row.depth): f"{row.depth // 1000}K" if row.depth else "0" for row in rows.values()}
    return _panels(results, rows, lambda row: float(row.depth), ticks, "tokens before")


def batch_panels(results: Sequence[RowResult]) -> list[Panel]:
    """Decoding several sequences, tokens a second of all together; their number on a scale of doublings."""
    rows = {row.key: row for row in ROWS if row.steps and not (row.depth or row.rewrite or row.busy or row.isa)}
    ticks = {math.log2(row.sequences): str(row.sequences) for row in rows.values()}
    return _panels(results, rows, lambda row: math.log2(row.sequences), ticks, "sequences at once")


def svg(panels: Sequence[Panel]) -> str:
    """The panels side by side."""
    width, height = _WIDTH * len(panels), _HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
    ]
    for index, panel in enumerate(panels):
        parts += [f'<g transform="translate({index * _WIDTH} 0)">', *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


# -- details -------------------------------------------------------------------------------------------


def _panels(
    results: Sequence[RowResult],
    rows: Mapping[str, Row],
    x_of: Callable[[Row], float],
    ticks: dict[float, str],
    x_label: str,
) -> list[Panel]:
    """A panel for each model of which at least two of ``rows`` were measured."""
    models: dict[str, list[RowResult]] = {}
    for result in results:
        if result.row in rows:
            models.setdefault(result.model, []).append(result)
    panels = []
    for model, found in models.items():
        if len(found) < 2:
            continue
        lines: dict[str, list[tuple[float, float]]] = {}
        for result in sorted(found, key=lambda result: x_of(rows[result.row])):
            for series in result.series:
                lines.setdefault(series.engine, []).append((x_of(rows[result.row]), series.median))
        panels.append(Panel(model, x_label, ticks, lines))
    return panels


def _panel(panel: Panel) -> list[str]:
    highest = round_up(max(y for line in panel.lines.values() for _, y in line))
    widest = max(panel.ticks) or 1.0

    def place(x: float, y: float) -> tuple[float, float]:
        across = _LEFT + x / widest * (_WIDTH - _LEFT - _RIGHT)
        return round(across, 1), round(_HEIGHT - _BOTTOM - y / highest * (_HEIGHT - _TOP - _BOTTOM), 1)

    parts = [f'<text class="title" x="{_LEFT}" y="18">{escape(panel.title)}: tokens a second</text>']
    for step in range(5):
        value = highest * step / 4
        left, level = place(0, value)
        parts.append(f'<path class="grid" d="M{left} {level}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{left - 8}" y="{level + 4}" text-anchor="end">{value:g}</text>')
    for x, label in panel.ticks.items():
        parts.append(f'<text x="{place(x, 0)[0]}" y="{_HEIGHT - _BOTTOM + 20}" text-anchor="middle">{label}</text>')
    middle = (_LEFT + _WIDTH - _RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(panel.x_label)}</text>')
    legend = float(_LEFT)
    for index, engine in enumerate(ENGINES):
        if engine not in panel.lines:
            continue
        points = [place(x, y) for x, y in panel.lines[engine]]
        path = "L".join(f"{x} {y}" for x, y in points)
        parts.append(f'<path class="line e{index}" d="M{path}"/>')
        parts += [f'<circle class="f{index}" cx="{x}" cy="{y}" r="3.5"/>' for x, y in points]
        parts.append(f'<circle class="f{index}" cx="{legend + 5}" cy="36" r="4"/>')
        parts.append(f'<text x="{legend + 14}" y="40">{escape(engine)}</text>')
        legend += 30 + 7.2 * len(engine)
    return parts
