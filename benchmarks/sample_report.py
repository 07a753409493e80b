"""The sample report of ``docs/report.md``: ``python -m benchmarks.sample_report REPORT.json`` takes a real one as it.

Its JSON is kept with long prompts shortened, and its two plots are drawn.
"""

import sys
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.page import replace_section
from benchmarks.remote import ROOT
from sevenb.lab.report.page.blocks import Plot, Tongue
from sevenb.lab.report.page.plots.drawing import svg_file
from sevenb.lab.report.page.sections import latency, quality, verdict
from sevenb.lab.report.report import Report, read_report, report_json

PAGE = ROOT / "docs" / "report.md"
JSON = ROOT / "docs" / "report-sample.json"
PLOTS = ROOT / "docs" / "plots"
LARGEST = 300_000  # bytes of the JSON
_KEPT = 3000  # characters of a prompt or an answer


def main(path: Path) -> None:
    """Write the JSON, the plots, and the part of the page that shows them."""
    report = shortened(read_report(path))
    content = report_json(report)
    if len(content) > LARGEST:
        sys.exit(f"The JSON has {len(content):,} bytes; at most {LARGEST:,} are to be committed.")
    JSON.write_bytes(content)
    t = Tongue("en")
    plots = {"report-speed.svg": latency.plots(report, t), "report-quality.svg": quality.plots(report, t)}
    machine = f"{report.machine.get('cpu')}, {report.machine.get('cores')} cores"
    lines = [f"`{report.command}`, {report.made[:10]}, {machine}:"]
    lines += [f"> {sentence}" for sentence in verdict.headline(report, t)]
    for name, drawn in plots.items():
        if drawn:
            (PLOTS / name).write_text(_file(drawn), encoding="utf-8")
            lines.append(f"![{', '.join(plot.caption for plot in drawn)}](plots/{name})")
    replace_section("sample", "\n\n".join(lines), PAGE)


def shortened(report: Report) -> Report:
    """The report with the middle of long prompts left out, which says so."""
    prompts = {key: [_shortened(message) for message in messages] for key, messages in report.prompts.items()}
    return msgspec.structs.replace(report, prompts=prompts)


def _shortened(message: dict[str, Any]) -> dict[str, Any]:
    text = message.get("content")
    if not isinstance(text, str) or len(text) <= _KEPT:
        return message
    half = _KEPT // 2
    left_out = f"\n\n[… {len(text) - 2 * half:,} characters are left out of this sample …]\n\n"
    return {**message, "content": text[:half] + left_out + text[-half:]}


def _file(plots: list[Plot]) -> str:
    return svg_file([plot.sheet for plot in plots], [plot.caption for plot in plots])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
