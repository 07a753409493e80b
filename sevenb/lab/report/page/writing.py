"""Writes a report's files: the page, Markdown in both languages, and the JSON that they are made from."""

from pathlib import Path

from sevenb.lab.report.page.html import html_page
from sevenb.lab.report.page.markdown import markdown_page
from sevenb.lab.report.places import HTML, JSON
from sevenb.lab.report.report import Report, report_json
from sevenb.lab.runs.files import explained, write_whole


def write_report(report: Report, folder: Path) -> Path:
    """Write all files into ``folder``, each whole or not at all; returns the page's path. Raises `StorageFull`."""
    files = {
        JSON: report_json(report),
        "report.md": markdown_page(report, "en").encode(),
        "report.zh.md": markdown_page(report, "zh").encode(),
        HTML: html_page(report).encode(),  # the last: where it is, the report is whole
    }
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content)
    return folder / HTML
