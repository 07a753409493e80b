"""Measures the console: first load, a long chat, streamed answers, memory."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from playwright.sync_api import Browser, Page, expect

from benchmarks import machine
from benchmarks.console.browser import LAST_MESSAGE, PATIENCE, chromium, first_load, gzipped_sizes, memory, new_page
from benchmarks.console.figures import ConsoleResult, FirstLoad, Memory, Motion, Opening, Streamed
from benchmarks.console.material import THE_END, long_chat
from benchmarks.console.motion import Move, in_motion
from benchmarks.remote import ROOT
from tests.console.archives import HEADERS
from tests.console.chatting import send, writing
from tests.console.threads import keep
from tests.e2e.conftest import serving
from tools import build_console

STORY = "Write a very long story about a lighthouse keeper, with many chapters."


@dataclass(frozen=True)
class Extent:
    """How much is measured."""

    rounds: int = 5
    messages: int = 1000
    paced_tokens: int = 4000
    real_tokens: int = 1000
    tokens_a_second: float = 100.0
    pixels: int = 72_000
    pixels_a_second: int = 7200


QUICK = Extent(rounds=1, paced_tokens=400, real_tokens=100, pixels=14_400)


def measure_console(name: str, path: Path, threads: int, extent: Extent) -> ConsoleResult:
    """All of it: pages of the paced server, then of one with the model ``name`` at ``path``."""
    load = machine.load()
    with ExitStack() as stack:
        page_folder = stack.enter_context(_built_page())
        browser = stack.enter_context(chromium())
        with _paced(path, extent.tokens_a_second, page_folder) as url:
            first, empty = _first_load(browser, url, extent)
            one = long_chat(extent.messages)
            place = keep(url, one)
            print("console: first load measured", flush=True)
            clicked = _opening(extent.rounds, lambda: _click(browser, url, one["title"]))
            direct = _opening(extent.rounds, lambda: _open(browser, url + place))
            print("console: opening of a long chat measured", flush=True)
            scrolled, held = _scroll(browser, url + place, extent)
            print("console: scrolling measured", flush=True)
            title = f"paced, {extent.tokens_a_second:.0f} tokens a second"
            paced, after = _stream(browser, url, title, extent.paced_tokens)
        print("console: the paced answer measured", flush=True)
        with serving(path, "--max-model-len", "4096", SEVENB_PAGE=str(page_folder)) as program:
            real, _ = _stream(browser, program.url, f"{name}, on the same cores", extent.real_tokens)
        return ConsoleResult(
            conditions=machine.conditions(threads),
            browser=f"Chromium {browser.version}, without a window or a GPU, 1440 × 900",
            load=load,
            first_load=first,
            messages=extent.messages,
            characters=sum(len(message["content"]) for message in one["messages"]),
            clicked=clicked,
            direct=direct,
            scrolled=scrolled,
            speed=extent.pixels_a_second,
            streamed=[paced, real],
            memory=[empty, *held, after],
        )


# -- servers -------------------------------------------------------------------------------------------


@contextmanager
def _built_page() -> Iterator[Path]:
    if build_console.fresh(build_console.PAGE):
        yield build_console.PAGE
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            build_console.build(Path(folder))
        except build_console.Unbuilt as error:
            raise RuntimeError(str(error)) from None
        yield Path(folder)


@contextmanager
def _paced(model: Path, tokens_a_second: float, page_folder: Path) -> Iterator[str]:
    """The URL of a `paced_server`."""
    module = "benchmarks.console.paced_server"
    command = ["env", f"SEVENB_PAGE={page_folder}", sys.executable, "-m", module, str(model), str(tokens_a_second)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline().strip()
            if not port:
                raise RuntimeError("The paced server did not start.")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()


# -- what is measured ----------------------------------------------------------------------------------


def _first_load(browser: Browser, url: str, extent: Extent) -> tuple[FirstLoad, Memory]:
    sizes = gzipped_sizes(browser, url)
    times = [first_load(browser, url) for _ in range(extent.rounds)]
    with new_page(browser) as page:
        page.goto(url, wait_until="networkidle")
        empty = memory(page, "a new chat")
    return FirstLoad(sizes, [paint for paint, _ in times], [text for _, text in times]), empty


def _opening(rounds: int, once: Callable[[], tuple[float, float]]) -> Opening:
    times = [once() for _ in range(rounds)]
    return Opening([painted for painted, _ in times], [settled for _, settled in times])


def _click(browser: Browser, url: str, title: str) -> tuple[float, float]:
    """Seconds from the click in the sidebar."""
    with new_page(browser) as page:
        page.goto(url, wait_until="networkidle")
        page.evaluate(LAST_MESSAGE, [THE_END, True])
        page.get_by_role("link", name=title).click()
        painted, settled = page.evaluate("() => window.opened")
        return painted / 1e3, settled / 1e3


def _open(browser: Browser, place: str) -> tuple[float, float]:
    """Seconds from the start of navigation straight to the chat."""
    with new_page(browser) as page:
        page.add_init_script(f"({LAST_MESSAGE})({[THE_END, 0]})")
        page.goto(place)
        painted, settled = page.evaluate("() => window.opened")
        return painted / 1e3, settled / 1e3


def _scroll(browser: Browser, place: str, extent: Extent) -> tuple[Motion, list[Memory]]:
    """From the end upwards, through messages that have not been drawn yet."""
    held: list[Memory] = []
    with ExitStack() as stack:

        def prepare() -> tuple[Page, Move]:
            page = stack.enter_context(new_page(browser))
            page.goto(place, wait_until="networkidle")
            if not held:
                held.append(memory(page, f"a chat of {extent.messages:,} messages"))
            return page, lambda: _wheel(page, extent)

        motion = in_motion(prepare)
        held.append(memory(stack.enter_context(_last_page(browser)), f"scrolled by {extent.pixels:,} pixels"))
    return motion, held


@contextmanager
def _last_page(browser: Browser) -> Iterator[Page]:
    yield browser.contexts[-1].pages[-1]


def _wheel(page: Page, extent: Extent) -> None:
    box = page.locator("article").last.bounding_box()
    assert box is not None
    gesture = {
        "x": box["x"] + box["width"] / 2,
        "y": 400,
        "yDistance": extent.pixels,
        "speed": extent.pixels_a_second,
        "gestureSourceType": "mouse",
    }
    session = page.context.new_cdp_session(page)
    session.send("Input.synthesizeScrollGesture", gesture)
    session.detach()


def _stream(browser: Browser, url: str, title: str, tokens: int) -> tuple[Streamed, Memory]:
    """An answer of so many tokens, followed at its end."""
    with ExitStack() as stack:
        pages: list[Page] = []

        def prepare() -> tuple[Page, Move]:
            settings = {"max_tokens": tokens, "seed": 7}
            answer = httpx.post(f"{url}/console/api/chats", json={"settings": settings}, headers=HEADERS)
            answer.raise_for_status()
            page = stack.enter_context(new_page(browser))
            pages.append(page)
            page.goto(f"{url}/#/chat/{answer.json()['id']}", wait_until="networkidle")
            send(page, STORY)
            writing(page)
            return page, lambda: _until_answered(page)

        motion = in_motion(prepare)
        made, rate = _answer_figures(pages[-1])
        held = memory(pages[-1], f"an answer of {made:,} tokens, streamed")
    return Streamed(title, made, rate, motion), held


def _until_answered(page: Page) -> None:
    expect(page.locator("article[aria-busy]")).to_have_count(0, timeout=PATIENCE)


def _answer_figures(page: Page) -> tuple[int, float]:
    """Tokens of the answer, and how many came a second."""
    found = re.search(r"^(.*)/#/chat/(\w+)", page.url)
    assert found
    chat = httpx.get(f"{found[1]}/console/api/chats/{found[2]}").json()
    figures = chat["messages"][-1]["figures"]
    return figures["completion_tokens"], figures["tokens_per_second"]
