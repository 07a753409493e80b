"""Pages of a Chromium without a window, each with a profile of its own, so that nothing is in any cache."""

import gzip
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, Response, sync_playwright

from benchmarks.console.figures import Memory

CHROMIUM = Path(os.environ.get("SEVENB_CHROMIUM") or "/usr/bin/chromium")
PATIENCE = 300_000  # milliseconds: answers take long

# window.opened: milliseconds from the click, or from the start of navigation, until the last message, which holds a
# text, is in sight and painted, and until the last change of the page after that.
LAST_MESSAGE = """([text, clicked]) => {
  let began = clicked ? null : 0;
  if (clicked) addEventListener('click', (event) => (began = event.timeStamp), {capture: true, once: true});
  window.opened = new Promise((done) => {
    let painted = null;
    let changed = 0;
    const settled = () => {
      if (performance.now() - changed > 1000) done([painted - began, changed - began]);
      else setTimeout(settled, 100);
    };
    const afterPaint = () => {
      changed = painted = performance.now();
      const watch = new MutationObserver(() => setTimeout(() => (changed = performance.now())));
      watch.observe(document.querySelector('main'), {subtree: true, childList: true, characterData: true});
      settled();
    };
    const look = () => {
      const last = [...document.querySelectorAll('article')].at(-1);
      const place = last?.textContent.includes(text) && last.getBoundingClientRect();
      if (place && place.bottom > 0 && place.top < innerHeight) setTimeout(afterPaint);
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""

# window.takesText: milliseconds from the start of navigation until an entered letter makes the send button work.
_TAKES_TEXT = """() => {
  window.takesText = new Promise((done) => {
    const look = () => {
      const box = document.querySelector('textarea');
      if (box && box.value === '') {
        box.focus();
        document.execCommand('insertText', false, 'x');
      }
      const send = box && document.querySelector('button[aria-label^="Send"]');
      if (send && !send.disabled) setTimeout(() => done(performance.now()));
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
}"""
_FIRST_PAINT = """() => new Promise((done) => {
  const seen = (list) => {
    for (const paint of list.getEntriesByName('first-contentful-paint')) done(paint.startTime);
  };
  new PerformanceObserver(seen).observe({type: 'paint', buffered: true});
})"""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's Chromium. Raises RuntimeError where there is none."""
    if not CHROMIUM.exists():
        raise RuntimeError(f"There is no Chromium at {CHROMIUM}: install it, or name it with SEVENB_CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def new_page(browser: Browser) -> Iterator[Page]:
    """An empty page, 1440 pixels wide."""
    with browser.new_context(viewport={"width": 1440, "height": 900}, locale="en-GB") as context:
        context.set_default_timeout(PATIENCE)
        yield context.new_page()


def first_load(browser: Browser, url: str) -> tuple[float, float]:
    """Seconds until the page paints something, and until its composer takes text."""
    with new_page(browser) as page:
        page.add_init_script(f"({_TAKES_TEXT})()")
        page.goto(url)
        takes_text = page.evaluate("() => window.takesText")
        return page.evaluate(_FIRST_PAINT) / 1e3, takes_text / 1e3


def gzipped_sizes(browser: Browser, url: str) -> dict[str, int]:
    """Bytes of what the page loads until it is at rest, by kind, each file gzipped; answers of the API are left out."""
    responses: list[Response] = []
    with new_page(browser) as page:
        page.on("response", lambda response: responses.append(response))
        page.goto(url, wait_until="networkidle")
        sizes: Counter[str] = Counter()
        for response in responses:
            if response.request.resource_type not in ("fetch", "eventsource"):
                sizes[response.request.resource_type] += len(gzip.compress(response.body(), 9))
    return dict(sizes)


def memory(page: Page, title: str) -> Memory:
    """What the page holds when the garbage is gone."""
    session = page.context.new_cdp_session(page)
    for _ in range(2):
        session.send("HeapProfiler.collectGarbage")
    heap = session.send("Runtime.getHeapUsage")["usedSize"]
    nodes = session.send("Memory.getDOMCounters")["nodes"]
    session.detach()
    return Memory(title, int(heap), nodes)
