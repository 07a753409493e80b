"""The page stays quick: what it draws and when, counted rather than timed, and one long answer followed to its end."""

from pathlib import Path

from playwright.sync_api import expect

from tests.console.archives import chat
from tests.console.chatting import answered, send
from tests.console.conftest import OpenPage
from tests.console.threads import answer, echoing, keep
from tests.e2e.conftest import Program

BLOCK = "## Part {0}\n\nSome **bold** text with `code`.\n\n- one\n- two\n\n```python\nprint({0})\n```\n\n"
COUNT = """() => {
  window.added = 0;
  const count = (list) => {
    for (const change of list) for (const node of change.addedNodes) {
      if (node.nodeType !== Node.ELEMENT_NODE || !node.closest('.markdown')) continue;
      window.added += 1 + node.querySelectorAll('*').length;
    }
  };
  new MutationObserver(count).observe(document.body, {subtree: true, childList: true});
}"""


def test_a_streamed_answer_makes_each_element_about_once(open_page: OpenPage, built_page: Path) -> None:
    """If the answer were parsed and drawn anew for every token, thousands of elements would be made."""
    text = "".join(BLOCK.format(number) for number in range(20))
    with echoing(built_page, step_seconds=0.001, max_model_len=20_000) as url:
        page = open_page(at=url)
        page.evaluate(COUNT)
        send(page, text)
        answered(page)
        expect(answer(page).locator("h2")).to_have_count(20)
        made, there = page.evaluate("() => [window.added, document.querySelectorAll('.markdown *').length]")
        assert made < 4 * there


def test_a_long_chat_draws_only_what_is_near(console: Program, open_page: OpenPage) -> None:
    texts = [f"Question {number}" if number % 2 == 0 else BLOCK.format(number) for number in range(1000)]
    page = open_page(keep(console.url, chat("draws", *texts)))
    expect(page.locator("article")).to_have_count(1000)
    expect(page.locator("article h2").last).to_be_in_viewport()
    assert page.locator(".markdown").count() < 60
    assert page.evaluate("() => document.querySelectorAll('*').length") < 8000
