"""Whatever an answer, an imported chat, a title or a file holds: nothing runs, nothing is fetched, nothing misleads."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.console.archives import chat
from tests.console.chatting import answered, send
from tests.console.conftest import OpenPage
from tests.console.threads import answer, echoing, keep, kept_at
from tests.e2e.conftest import Program

PAYLOADS = (Path(__file__).parent / "xss_payloads.txt").read_text(encoding="utf-8").split("\n---\n")

# Everything that an answer may consist of, and all that its elements may carry.
AUDIT = """(root) => {
  const tags = new Set(('A ABBR BLOCKQUOTE BR BUTTON CODE DEL DIV EM H1 H2 H3 H4 H5 H6 HR INPUT INS KBD LI MARK OL P '
    + 'PRE Q S SMALL SPAN STRONG SUB SUP TABLE TBODY TD TH THEAD TR U UL').split(' '));
  const attributes = new Set(('aria-label checked class data-caret dir disabled href rel role start tabindex target '
    + 'title type').split(' '));
  const found = [];
  for (const element of root.querySelectorAll('*')) {
    if (element.closest('.katex')) continue;
    if (!tags.has(element.tagName)) found.push('element ' + element.outerHTML.slice(0, 120));
    for (const {name, value} of element.attributes) {
      if (!attributes.has(name)) found.push('attribute ' + name + '=' + value);
      if (name === 'href' && !/^(https?|mailto):/.test(value)) found.push('address ' + value);
    }
    if (element.tagName === 'A' && !/noopener/.test(element.rel)) found.push('link without rel ' + element.outerHTML);
  }
  return found;
}"""
FORBIDDEN = """() => [...document.querySelectorAll('iframe, object, embed, base, form[action], '
  + 'meta[http-equiv=refresh], body link, body style, video, audio, img, script:not([src]), [onerror], [onload], '
  + '[onclick], [style*=url]')]
  .map((element) => element.outerHTML.slice(0, 120))"""
LISTEN = """() => {
  window.ran = [];
  window.alert = window.prompt = window.confirm = (value) => window.ran.push(String(value));
}"""


@pytest.fixture
def quiet_page(open_page: OpenPage) -> Iterator[OpenPage]:
    """Pages that fail the test when anything makes itself heard: a dialog, a new window, a way out of the page."""
    heard: list[str] = []

    def open_quiet(*arguments: Any, **options: Any) -> Page:
        page = open_page(*arguments, **options)
        page.on("dialog", lambda dialog: heard.append(f"dialog {dialog.message}"))
        page.on("popup", lambda popup: heard.append(f"window {popup.url}"))
        page.on(
            "framenavigated", lambda frame: heard.append(f"away to {frame.url}") if "/#/" not in frame.url else None
        )
        page.evaluate(LISTEN)
        return page

    yield open_quiet
    assert not heard


def unharmed(page: Page) -> None:
    """Nothing ran, and nothing stands in the page that could."""
    assert page.evaluate("() => window.ran ?? []") == []
    assert page.evaluate(FORBIDDEN) == []
    for markdown in page.locator(".markdown").all():
        assert markdown.evaluate(AUDIT) == []


def test_the_corpus_is_a_corpus() -> None:
    assert len(set(PAYLOADS)) == len(PAYLOADS) >= 60


def test_no_payload_in_an_imported_answer_does_anything(console: Program, quiet_page: OpenPage) -> None:
    """Every payload has a message of its own, as text of the user and as an answer; then all are clicked."""
    texts = [text for payload in PAYLOADS for text in (payload, payload)]
    page = quiet_page(keep(console.url, chat("all payloads", *texts)))
    articles = page.locator("article")
    expect(articles).to_have_count(len(texts))
    for article in articles.all():
        article.scroll_into_view_if_needed()
        expect(article.locator(".unread")).to_have_count(0)
    unharmed(page)
    # A link opens elsewhere, if at all: here every click is let through but for the leaving.
    page.evaluate("() => document.addEventListener('click', (event) => event.preventDefault())")
    page.evaluate(
        "() => document.querySelectorAll('.markdown a, .markdown span, .markdown p').forEach((one) => one.click())"
    )
    unharmed(page)


def test_no_payload_does_anything_while_it_is_streamed(built_page: Path, quiet_page: OpenPage) -> None:
    """Through a model that repeats what it reads, letter by letter: half a payload is a payload too."""
    with echoing(built_page) as url:
        page = quiet_page(at=url)
        for start in range(0, len(PAYLOADS), 24):
            send(page, "\n\n".join(PAYLOADS[start : start + 24])[:3800])
            answered(page, start // 24 + 1)
            unharmed(page)


def test_no_payload_in_a_title_does_anything(console: Program, quiet_page: OpenPage) -> None:
    for payload in PAYLOADS[::6]:
        one = chat("x", "A question", "An answer")
        one["title"] = " ".join(payload.split())[:60].strip()
        path = keep(console.url, one)
    page = quiet_page(path)
    expect(answer(page)).to_have_text("An answer")
    expect(page.get_by_role("main")).to_contain_text("An answer")
    unharmed(page)


def test_no_payload_in_a_file_does_anything(console: Program, quiet_page: OpenPage) -> None:
    one = chat("files", "See the files", "I see")
    one["messages"][0]["attachments"] = [
        {"name": " ".join(payload.split())[:100], "text": payload} for payload in PAYLOADS[::8]
    ]
    page = quiet_page(keep(console.url, one))
    expect(answer(page)).to_have_text("I see")
    files = page.locator("article.user li")
    expect(files).to_have_count(len(PAYLOADS[::8]))
    for chip in files.all():
        chip.get_by_role("button").click()
        unharmed(page)
        page.get_by_role("dialog").get_by_role("button", name="Close").click()


def test_no_payload_in_a_tool_call_or_an_error_does_anything(console: Program, quiet_page: OpenPage) -> None:
    one = chat("calls", "Call it", "")
    one["messages"][-1].update(
        finish_reason="tool_calls",
        tool_calls=[
            {"id": f"c{number}", "name": payload[:60], "arguments": payload}
            for number, payload in enumerate(PAYLOADS[::8])
        ],
    )
    page = quiet_page(keep(console.url, one))
    expect(page.locator("article.assistant section")).to_have_count(len(PAYLOADS[::8]))
    unharmed(page)
    path = kept_at(
        console.url, "Fail", "", status="failed", error={"message": PAYLOADS[0], "code": None, "param": None}
    )
    failed = quiet_page(path)
    expect(failed.get_by_role("alert")).to_contain_text(PAYLOADS[0][:20])
    unharmed(failed)


def test_pictures_are_links_and_nothing_is_fetched(console: Program, quiet_page: OpenPage) -> None:
    page = quiet_page(kept_at(console.url, "A picture?", "![A cat](https://tracker.example/cat.png?user=me)"))
    link = answer(page).get_by_role("link", name="A cat")
    expect(link).to_have_attribute("href", "https://tracker.example/cat.png?user=me")
    expect(link).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
    unharmed(page)


def test_file_names_cannot_turn_the_direction_of_text(console: Program, open_page: OpenPage) -> None:
    one = chat("bidi", "See", "Yes")
    one["messages"][0]["attachments"] = [{"name": "photo\u202egpj.exe", "text": "x"}]
    page = open_page(keep(console.url, one))
    expect(page.locator("article.user li")).to_contain_text("photo�gpj.exe")
