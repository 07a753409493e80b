"""The lab's reports in the administration: listed, opened in the language of the page, read without a script."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from playwright.sync_api import Page, expect

from sevenb.lab.report.page.writing import write_report
from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program
from tests.lab.report.samples import report, subject, two_models


def test_a_report_is_found_and_read_in_both_languages(
    start_console: Callable[..., AbstractContextManager[Program]],
    open_page: OpenPage,
    axe: Callable[..., None],
    screenshot: Callable[[Page, str], object],
    tmp_path: Path,
) -> None:
    with start_console(SEVENB_LAB=str(tmp_path)) as program:
        page = open_page("/#/admin/reports", at=program.url, language="zh")
        expect(page.get_by_text("暂无报告")).to_be_visible()

        first, second = "20261122-102400-1a2b", "20261121-102400-1a2b"
        write_report(two_models(id=first, quick=True), tmp_path / "reports" / first)
        write_report(report(subject("<img src=x onerror=alert(1)>"), id=second), tmp_path / "reports" / second)
        page.reload()
        expect(page.get_by_text("<img src=x onerror=alert(1)>")).to_be_visible()
        screenshot(page, "admin-reports")
        axe(page)
        with page.context.expect_page() as opening:
            page.get_by_role("link", name="打开 qwen2.5-coder:0.5b、qwen2.5-coder:1.5b 的报告").click()
        opened = opening.value
        expect(opened.get_by_role("heading", level=1)).to_contain_text("值得部署吗")
        opened.get_by_role("link", name="English").click()
        expect(opened.get_by_role("heading", level=1)).to_contain_text("Is it worth deploying")
        expect(opened.get_by_role("heading", name="Verdict", exact=True)).to_be_visible()
