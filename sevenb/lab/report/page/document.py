"""A report as blocks in one language: what the page and the Markdown are both made of."""

from dataclasses import dataclass

from sevenb.lab.report.page import figures
from sevenb.lab.report.page.blocks import Section, Tongue
from sevenb.lab.report.page.sections import (
    fitting,
    latency,
    load,
    memory,
    missing,
    provenance,
    quality,
    scenarios,
    verdict,
)
from sevenb.lab.report.report import Report


@dataclass(frozen=True)
class Document:
    """``lines``: under the title, what was measured where and when."""

    title: str
    lines: tuple[str, ...]
    sections: tuple[Section, ...]


def document(report: Report, t: Tongue) -> Document:
    """Everything, in the order of a reader who has one minute."""
    sections = (
        verdict.section(report, t),
        latency.section(report, t),
        memory.section(report, t),
        load.section(report, t),
        quality.section(report, t),
        scenarios.section(report, t),
        fitting.section(report, t),
        missing.section(report, t),
        provenance.rules_section(report, t),
        provenance.definitions_section(report, t),
        provenance.provenance_section(report, t),
    )
    return Document(
        title(report, t),
        (
            provenance.machine_line(report.machine, t),
            f"{figures.moment(report.made)} · sevenb {report.sevenb} · {report.id}",
        ),
        tuple(section for section in sections if section and section.blocks),
    )


def title(report: Report, t: Tongue) -> str:
    """The question that it answers, of the models by name."""
    models = verdict.listed([subject.name for subject in report.subjects], t)
    return t(f"Is it worth deploying: {models}?", f"值得部署吗：{models}？")
