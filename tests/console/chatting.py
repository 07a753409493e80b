"""What tests of chats do with the page: write, wait for answers, look at them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.conftest import Program

# A story without an end: what a test stops, cuts off or leaves is still running by then.
LONG = "Write a very long story about a lighthouse, with many chapters."


def composer(page: Page) -> Locator:
    """Where a message is written."""
    return page.get_by_role("textbox", name="Message", exact=True)


def send(page: Page, text: str) -> None:
    """Write a message and send it by Enter."""
    box = composer(page)
    box.fill(text)
    box.press("Enter")


def questions(page: Page) -> Locator:
    """The user's messages of the shown branch."""
    return page.locator("article.user")


def answers(page: Page) -> Locator:
    """The model's messages of the shown branch."""
    return page.locator("article.assistant")


def answered(page: Page, count: int = 1) -> Locator:
    """Wait for so many answers, all at their end; the last one."""
    expect(answers(page)).to_have_count(count)
    expect(page.locator("article[aria-busy]")).to_have_count(0)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    return answers(page).nth(count - 1)


def writing(page: Page) -> Locator:
    """Wait until an answer runs and some of its text has come; that answer."""
    answer = page.locator("article[aria-busy]")
    expect(answer).to_have_text(re.compile(r"\w+\W+\w+\W+\w+\W+\w+"))
    return answer


@contextmanager
def held_midway(page: Page, program: Program, text: str) -> Iterator[Locator]:
    """Send a message, and hold the engine from when some of the answer is there until the block ends; that answer."""

    def has_begun() -> bool:
        last = kept_chat(page)["messages"][-1:]
        return any(one["role"] == "assistant" and len(one["content"].split()) > 4 for one in last)

    send(page, text)
    program.until(has_begun)
    with program.paused():
        yield writing(page)


def ask(page: Page, text: str) -> Locator:
    """Send a message and wait for the whole answer."""
    before = answers(page).count()
    send(page, text)
    return answered(page, before + 1)


def answer_again(page: Page, answer: Locator) -> None:
    """Have an answer made again, by the same model where several could."""
    answer.hover()
    button = answer.get_by_role("button", name="Answer again")
    button.click()
    if button.get_attribute("aria-haspopup"):
        page.get_by_role("menuitem", name="coder", exact=True).click()


def open_parameters(page: Page) -> Locator:
    """Show the parameters; where they stand."""
    panel = page.get_by_role("complementary", name="Parameters")
    if not panel.is_visible():
        page.get_by_role("button", name=re.compile("^Parameters")).click()
    return panel


def set_parameter(page: Page, name: str, value: float) -> None:
    """Type a parameter's number."""
    field = open_parameters(page).get_by_role("spinbutton", name=name)
    field.fill(str(value))
    field.press("Enter")
    field.blur()


def set_longest_answer(page: Page, tokens: int) -> None:
    """Let answers end early: tests need few words."""
    panel = open_parameters(page)
    more = panel.locator("details")
    if more.get_attribute("open") is None:
        more.locator("summary").click()
    field = panel.get_by_role("textbox", name="Longest answer")
    field.fill(str(tokens))
    field.blur()


def kept_chat(page: Page) -> dict[str, Any]:
    """The chat that is shown, as the server has it."""
    expect(page).to_have_url(re.compile(r"#/chat/\w{32}"))
    chat_id = re.search(r"#/chat/(\w{32})", page.url)
    assert chat_id
    answer = page.request.get(f"/console/api/chats/{chat_id[1]}".replace("/console", _origin(page) + "/console", 1))
    assert answer.ok
    kept: dict[str, Any] = answer.json()
    return kept


def _origin(page: Page) -> str:
    return page.url.split("/#", 1)[0]
