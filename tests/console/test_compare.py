"""Comparisons in the page: two models and two settings side by side, at once, with votes that are kept."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.console.conftest import OpenPage
from tests.e2e.conftest import Program

OTHER = "smollm2:135m"
ANSWERED = 150_000  # milliseconds: the second model has to be loaded


@pytest.fixture(scope="module")
def server(start_console: Callable[..., AbstractContextManager[Program]]) -> Iterator[Program]:
    """A server whose comparisons belong to this module."""
    with start_console() as running:
        yield running


def choose_model(page: Page, entry: str, model: str) -> None:
    card = page.get_by_role("group", name=f"Entry {entry}", exact=True)
    card.get_by_role("button", name=re.compile("^Model:")).click()
    page.get_by_role("option", name=re.compile(f"^{re.escape(model)}")).click()
    expect(card.get_by_role("button", name=f"Model: {model}")).to_be_visible()


def limit(page: Page, entry: str, tokens: int, **settings: float) -> None:
    """Answers of few tokens, so that tests are short, and further settings by the labels of their sliders."""
    page.get_by_role("button", name=f"Settings of entry {entry}").click()
    dialog = page.get_by_role("dialog", name=f"Settings of entry {entry}")
    for name, value in settings.items():
        field = dialog.get_by_role("spinbutton", name=name.capitalize())
        field.fill(str(value))
        field.press("Tab")
    dialog.get_by_text("More parameters").click()
    field = dialog.get_by_label("Longest answer")
    field.fill(str(tokens))
    field.press("Tab")
    dialog.get_by_role("button", name="Done").click()


def ask(page: Page, text: str) -> None:
    field = page.get_by_role("main").get_by_role("textbox", name=re.compile("Message|Ask"))
    field.fill(text)
    field.press("Enter")


def column(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=name, exact=True)


def question(page: Page) -> Locator:
    return page.get_by_role("group", name="Which answer is better?")


@pytest.fixture
def two_models(server: Program, open_page: OpenPage) -> Page:
    """A comparison of two models that both have answered."""
    page = open_page("/#/compare", at=server.url)
    choose_model(page, "A", "coder")
    choose_model(page, "B", OTHER)
    for entry in "AB":
        limit(page, entry, 24)
    ask(page, "Name three colours.")
    expect(question(page)).to_be_visible(timeout=ANSWERED)
    return page


def test_two_models_answer_and_the_vote_is_kept(
    two_models: Page, screenshot: Callable[[Page, str], Path], axe: Callable[..., None]
) -> None:
    page = two_models
    for name in ("A: coder", f"B: {OTHER}"):
        expect(column(page, name)).to_contain_text("Name three colours.")
        expect(column(page, name)).to_contain_text("tokens/s")
    screenshot(page, "compare")
    axe(page, "main")
    page.get_by_role("button", name="A is better").click()
    vote = page.get_by_role("group", name="Your vote")
    expect(vote.get_by_role("button", name="A is better")).to_have_attribute("aria-pressed", "true")
    page.reload()
    expect(vote.get_by_role("button", name="A is better")).to_have_attribute("aria-pressed", "true")
    vote.get_by_role("button", name="Tie").click()
    expect(vote.get_by_role("button", name="Tie")).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="Votes").click()
    standings = page.get_by_role("region", name="Standings").get_by_role("row")
    expect(standings.filter(has_text=OTHER)).to_contain_text("50%")
    votes = page.get_by_role("region", name="All votes").get_by_role("row")
    expect(votes.filter(has_text="Name three colours.").first).to_contain_text("Tie")
    screenshot(page, "compare-votes")
    axe(page, "main")
    votes.get_by_role("link", name="Name three colours.").first.click()
    expect(column(page, "A: coder")).to_contain_text("Name three colours.")


def test_the_conversation_goes_on_in_all_columns(two_models: Page, server: Program) -> None:
    page = two_models
    with server.paused():
        ask(page, "And three animals?")
        expect(question(page)).to_be_hidden()
    expect(question(page)).to_be_visible(timeout=ANSWERED)
    for name in ("A: coder", f"B: {OTHER}"):
        expect(column(page, name)).to_contain_text("And three animals?")
        expect(column(page, name).get_by_role("article")).to_have_count(4)
    column(page, "A: coder").get_by_role("button", name="Answer again").last.click()
    expect(question(page)).to_be_visible(timeout=ANSWERED)
    expect(column(page, "A: coder")).to_contain_text("2/2")


def test_two_settings_of_one_model_stream_at_once(server: Program, open_page: OpenPage) -> None:
    page = open_page("/#/compare", at=server.url)
    choose_model(page, "A", "coder")
    choose_model(page, "B", "coder")
    limit(page, "A", 400, temperature=0)
    limit(page, "B", 400, temperature=0.4)
    ask(page, "Write a long story about a ship.")
    first = column(page, "A: coder · temperature 0, at most 400 tokens")
    second = column(page, "B: coder · temperature 0.4, at most 400 tokens")
    # Both have text while both still run.
    page.wait_for_function(
        """() => {
            const running = [...document.querySelectorAll('article[aria-busy="true"]')];
            return running.length === 2 && running.every((one) => one.querySelector('p')?.textContent.length > 20);
        }""",
        timeout=ANSWERED,
    )
    page.keyboard.press("Escape")
    expect(question(page)).to_be_visible(timeout=ANSWERED)
    for one in (first, second):
        expect(one.get_by_role("article")).to_have_count(2)
    server.until(lambda: server.gauge("sevenb_num_requests_running") == 0)


def test_entries_that_are_the_same_are_told_so(server: Program, open_page: OpenPage) -> None:
    page = open_page("/#/compare", at=server.url)
    choose_model(page, "A", "coder")
    choose_model(page, "B", "coder")
    limit(page, "B", 24)
    expect(page.get_by_text("The entries are the same")).to_have_count(0)
    page.get_by_role("button", name="Settings of entry B").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Reset", exact=True).last.click()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_text("The entries are the same")).to_be_visible()
    page.get_by_role("button", name="Add a third").click()
    page.get_by_role("button", name="Remove entry B").click()
    expect(page.get_by_role("group", name=re.compile("^Entry"))).to_have_count(2)


def test_earlier_comparisons_are_renamed_and_deleted(two_models: Page) -> None:
    page = two_models
    page.get_by_role("button", name="New comparison").click()
    page.get_by_role("button", name="Actions for “Name three colours.”").first.click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_role("dialog").get_by_role("textbox").fill("Colours 颜色")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name=re.compile("^Colours 颜色"))).to_be_visible()
    page.get_by_role("button", name="Actions for “Colours 颜色”").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("link", name=re.compile("^Colours 颜色"))).to_have_count(0)
    page.reload()
    expect(page.get_by_role("heading", name="Compare", level=1)).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("^Colours 颜色"))).to_have_count(0)


def test_columns_are_not_in_the_history(two_models: Page) -> None:
    page = two_models
    chats = page.get_by_role("region", name="Chats", exact=True)
    expect(chats).to_be_visible()
    expect(chats.get_by_role("link")).to_have_count(0)


def test_a_comparison_that_is_gone_says_so(server: Program, open_page: OpenPage) -> None:
    page = open_page("/#/compare/00000000000000000000000000000000", at=server.url)
    expect(page.get_by_text("This comparison does not exist, or no longer.")).to_be_visible()


def test_on_a_phone_columns_are_tabs_and_in_chinese(
    two_models: Page, server: Program, open_page: OpenPage, screenshot: Callable[[Page, str], Path]
) -> None:
    url = two_models.url.removeprefix(server.url)
    page = open_page(url, at=server.url, size="phone", theme="dark", language="zh")
    tabs = page.get_by_role("tablist", name="回答").get_by_role("tab")
    expect(tabs).to_have_count(2)
    expect(page.get_by_role("region", name="A：coder")).to_be_visible()
    expect(page.get_by_role("region", name=f"B：{OTHER}")).to_be_hidden()
    tabs.first.focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("region", name=f"B：{OTHER}")).to_be_visible()
    page.get_by_role("button", name="B 更好").click()
    expect(page.get_by_role("group", name="你的投票")).to_be_visible()
    screenshot(page, "compare-phone-zh")
