"""Chromium on a report's file, held to the console's rules: nothing from elsewhere, no trouble."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from sevenb.lab.report.page.writing import write_report
from sevenb.lab.report.report import Report
from tests.console.conftest import CHROMIUM, PATIENCE
from tests.needed import leave_out

OpenReport = Callable[..., Page]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        leave_out(f"there is no Chromium at {CHROMIUM}: install it (apt install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=2 * PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def open_report(browser: Browser, tmp_path: Path) -> Iterator[OpenReport]:
    """Write a report and open its page from the disk, without a network; it must ask for nothing and say nothing."""
    troubles: list[str] = []
    contexts = []

    def open_report(
        report: Report, part: str = "", *, width: int = 1440, dark: bool = False, scripts: bool = True
    ) -> Page:
        path = write_report(report, tmp_path)
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            offline=True,
            java_script_enabled=scripts,
        )
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        address = path.as_uri()
        context.on(
            "request", lambda request: None if request.url.split("#")[0] == address else troubles.append(request.url)
        )
        context.on("console", lambda message: troubles.append(message.text))
        context.on("dialog", lambda dialog: (troubles.append(dialog.message), dialog.dismiss()))
        page = context.new_page()
        page.goto(address + part)
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_report
    for context in contexts:
        context.close()
    assert not troubles
