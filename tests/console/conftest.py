"""Real Chromium on the real page, over the real server with the real 0.5B model."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

from tests.console.watched import Watched, idle
from tests.e2e.conftest import Program, serving
from tools import build_console

REPOSITORY = Path(__file__).parents[2]
SCREENSHOTS = REPOSITORY / "build" / "screenshots"
CHROMIUM = Path(os.environ.get("SEVENB_CHROMIUM") or "/usr/bin/chromium")
CONTEXT = 4096
PATIENCE = 60_000  # milliseconds; other programs run beside this one

WIDTHS = {"desk": (1440, 900), "tablet": (1024, 768), "phone": (390, 844)}


class OpenPage(Protocol):
    """Opens a page of its own: a new browser profile, watched."""

    def __call__(
        self,
        path: str = "/#/chat",
        *,
        at: str | None = None,
        size: str = "desk",
        theme: str = "light",
        language: str = "en",
        **options: Any,
    ) -> Page: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without a browser these tests cannot run; on CI that is a failure."""
    if CHROMIUM.exists() or os.environ.get("CI"):
        return
    reason = f"there is no Chromium at {CHROMIUM}: install it (apt install chromium) or name it with SEVENB_CHROMIUM"
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def built_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the page as it is built now: SEVENB_PAGE, else the installed one if it is fresh, else a new one."""
    if given := os.environ.get("SEVENB_PAGE"):
        return Path(given)
    if build_console.fresh(build_console.PAGE):
        return build_console.PAGE
    folder = tmp_path_factory.mktemp("page")
    build_console.build(folder)
    return folder


@pytest.fixture(scope="session")
def start_console(
    coder_05b: Path, built_page: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., AbstractContextManager[Program]]:
    """Start a server of one's own, with a database of its own: ``with start_console("--api-key", "k") as program``."""

    @contextmanager
    def start(*arguments: str, model: Path = coder_05b, **environment: str) -> Iterator[Program]:
        data = tmp_path_factory.mktemp("data")
        settings = {"SEVENB_DATA": str(data), "SEVENB_PAGE": str(built_page), **environment}
        options = ("--served-model-name", "coder", "--max-model-len", str(CONTEXT), *arguments)
        with serving(model, *options, **settings) as running:
            yield running

    return start


@pytest.fixture(scope="package")
def console(start_console: Callable[..., AbstractContextManager[Program]]) -> Iterator[Program]:
    """One server in local mode for every test that leaves others' things alone; its model is called ``coder``."""
    with start_console() as running:
        yield running


# Not for the session: while Playwright runs, its event loop would be in the way of other packages' tests.
@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=2 * PATIENCE)
    yield browser
    browser.close()


@pytest.fixture
def watched() -> Iterator[list[Watched]]:
    """Of every page that the test opens; checked when it is over. ``watched[-1].allow(pattern)`` lets a thing pass."""
    all_watched: list[Watched] = []
    yield all_watched
    for one in all_watched:
        one.check()


@pytest.fixture
def open_page(browser: Browser, watched: list[Watched], request: pytest.FixtureRequest) -> Iterator[OpenPage]:
    """Open pages: of the shared server, or of another ``at`` its URL."""
    contexts = []

    def open_page(
        path: str = "/#/chat",
        *,
        at: str | None = None,
        size: str = "desk",
        theme: str = "light",
        language: str = "en",
        **options: Any,
    ) -> Page:
        url = at or request.getfixturevalue("console").url
        width, height = WIDTHS[size]
        phone = size == "phone"
        settings = {
            "viewport": {"width": width, "height": height},
            "color_scheme": theme,
            "locale": {"en": "en-GB", "zh": "zh-CN"}[language],
            "has_touch": phone,
            "is_mobile": phone,
            "device_scale_factor": 2 if phone else 1,
            **options,
        }
        context = browser.new_context(**settings)
        context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        watch = Watched(url)
        watch.watch(context)
        watched.append(watch)
        page = context.new_page()
        page.goto(url + path)
        return page

    expect.set_options(timeout=PATIENCE)
    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    """The shared server's page: 1440 wide, light, English."""
    return open_page()


@pytest.fixture
def screenshot() -> Callable[[Page, str], Path]:
    """Keep a picture of the page in build/screenshots, for people to look at."""

    def screenshot(page: Page, name: str) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        idle(page)
        path = SCREENSHOTS / f"{name}.png"
        page.screenshot(path=path, animations="disabled")
        return path

    return screenshot


@pytest.fixture
def axe() -> Callable[..., None]:
    """Fail for every serious finding of axe: ``axe(page)``; ``axe(page, "main")`` for a part."""
    source = (build_console.CONSOLE / "node_modules" / "axe-core" / "axe.min.js").read_text(encoding="utf-8")

    def axe(page: Page, part: str | None = None, *, but: tuple[str, ...] = ()) -> None:
        idle(page)
        page.evaluate(source)
        found = page.evaluate(
            "async ([part, but]) => (await axe.run(part || document, {resultTypes: ['violations'], "
            "rules: Object.fromEntries(but.map((rule) => [rule, {enabled: false}]))})).violations",
            [part, list(but)],
        )
        serious = [
            f"{violation['id']} ({violation['impact']}): {violation['help']}\n  "
            + "\n  ".join(f"{node['html'][:160]} — {_reason(node)}" for node in violation["nodes"][:4])
            for violation in found
            if violation["impact"] in ("serious", "critical")
        ]
        assert not serious, "\n".join(serious)

    return axe


def _reason(node: dict[str, Any]) -> str:
    return re.sub(r"\s+", " ", str(node.get("failureSummary", "")))[:240]


def focused(page: Page) -> Locator:
    """The element that has the focus."""
    return page.locator("*:focus")
