"""What must never happen while a test drives the page: a request to elsewhere, an error, a breach of the policy."""

import contextlib
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Page, Request, Response, Route

# Chromium tells of every refused or broken request in the console: tests provoke those, and judge what the page shows.
_NETWORK = re.compile(r"^Failed to load resource|net::ERR_")


@dataclass
class Watched:
    """Collects what goes wrong in a browser context; `check` fails the test for it."""

    origin: str
    problems: list[str] = field(default_factory=list)
    external: list[str] = field(default_factory=list)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        """Hold every page of the context to the rules."""
        context.route(lambda url: not self._own(url), self._refuse)
        context.on("request", self._requested)
        context.on("response", self._responded)
        context.on("console", self._told)
        context.on("weberror", lambda error: self._problem(f"uncaught: {error.error.stack or error.error}"))

    def allow(self, pattern: str) -> None:
        """What the test provokes on purpose."""
        self.allowed.append(re.compile(pattern))

    def check(self) -> None:
        """Fail for everything that was not allowed."""
        assert not self.external, f"requests to elsewhere: {self.external}"
        left = [problem for problem in self.problems if not any(one.search(problem) for one in self.allowed)]
        assert not left, "\n".join(["The page is in trouble:", *left])

    def _own(self, url: str) -> bool:
        return url.startswith(("data:", "blob:", "about:")) or _origin(url) == self.origin

    def _refuse(self, route: Route) -> None:
        route.abort()

    def _requested(self, request: Request) -> None:
        if not self._own(request.url):
            self.external.append(request.url)

    def _responded(self, response: Response) -> None:
        missing = response.status == 404 and not urlsplit(response.url).path.startswith("/console/api/")
        if response.status in (500, 501) or missing:
            self._problem(f"{response.status} for {response.request.method} {response.url}")

    def _told(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning", "assert") and not _NETWORK.search(message.text):
            self._problem(f"{message.type}: {message.text}")

    def _problem(self, text: str) -> None:
        self.problems.append(text)


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def idle(page: Page) -> None:
    """Wait until nothing is loaded any more and two frames were painted."""
    with contextlib.suppress(Error):  # a stream of events may be open
        page.wait_for_load_state("networkidle", timeout=2000)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
