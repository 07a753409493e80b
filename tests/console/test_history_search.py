"""Search in the sidebar: English words, Chinese of two characters, what is marked, and where a hit leads."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.archives import bring, chat
from tests.console.conftest import OpenPage
from tests.console.history import kept, row, search, server, sidebar  # noqa: F401
from tests.e2e.conftest import Program

LONG = "\n\n".join(f"Paragraph {number} of a long answer that fills the screen." for number in range(60))


def test_finds_a_word_and_jumps_to_its_message(
    kept: Program,  # noqa: F811
    open_page: OpenPage,
    screenshot: Callable[[Page, str], Path],
    axe: Callable[..., None],
) -> None:
    with kept.http as http:
        bring(
            http,
            [
                chat("Harbour", "Who keeps the lighthouse?", LONG, "And its lamp?", LONG, "Thanks", "You are welcome"),
                chat("Mountains", "How high?", "Very high."),
            ],
        )
    page = open_page(at=kept.url)
    found = search(page, "Lighthouse")
    expect(found).to_have_count(2)
    expect(found.nth(1).locator("mark")).to_have_text("lighthouse")
    screenshot(page, "search")
    axe(page, "nav")
    found.nth(1).click()
    hit = page.get_by_role("main").get_by_text("Who keeps the lighthouse?")
    expect(hit).to_be_in_viewport()
    expect(page.get_by_role("main").get_by_text("You are welcome")).not_to_be_in_viewport()


def test_finds_chinese_of_two_characters_and_in_titles(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(
            http,
            [
                chat("诗歌", "床前明月光的下一句是什么?", "疑是地上霜。举头望明月,低头思故乡。"),
                chat("明月几时有", "作者是谁?", "苏轼。"),
                chat("菜谱", "红烧肉怎么做?", "先焯水。"),
            ],
        )
    page = open_page(at=kept.url)
    found = search(page, "明月")
    expect(sidebar(page).get_by_role("status")).to_have_text("2 chats found")
    assert set(sidebar(page).locator("mark").all_inner_texts()) == {"明月"}
    expect(found.filter(has_text="几时有").locator("mark")).to_have_text("明月")
    search(page, "焯水")
    expect(sidebar(page).get_by_role("status")).to_have_text("1 chat found")


def test_a_message_on_another_branch_is_shown(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    branched = chat("Branches", "Which tree?", "An ordinary oak.")
    other = {**branched["messages"][1], "id": "other", "content": "A flowering hornbeam."}
    branched["messages"].append(other)
    with kept.http as http:
        bring(http, [branched])
    page = open_page(at=kept.url)
    row(page, "Branches").click()
    expect(page.get_by_role("main")).to_contain_text("An ordinary oak.")
    search(page, "hornbeam").last.click()
    expect(page.get_by_role("main")).to_contain_text("A flowering hornbeam.")
    expect(page.get_by_role("main")).not_to_contain_text("An ordinary oak.")


def test_the_search_field_is_left_as_one_entered_it(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Alpha"), chat("Beta")])
    page = open_page(at=kept.url)
    field = page.get_by_role("textbox", name="Search chats")
    search(page, "alpha")
    field.press("ArrowDown")
    expect(sidebar(page).get_by_role("link").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(field).to_be_focused()
    field.press("Escape")
    expect(field).to_have_value("")
    expect(row(page, "Beta")).to_be_visible()
    field.fill("zzzz")
    expect(sidebar(page)).to_contain_text("No chat has these words")
    page.get_by_role("button", name="Clear search").click()
    expect(row(page, "Beta")).to_be_visible()


def test_what_looks_like_markup_or_a_query_is_text(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    hostile = '"NEAR(* OR \' needle <img src=x onerror="alert(1)">'
    with kept.http as http:
        bring(http, [chat("Hostile <b>title</b>", hostile, "\u0002needle\u0003 <script>alert(1)</script>")])
    page = open_page(at=kept.url)
    found = search(page, "needle")
    expect(found.filter(has_text="<img src=x").first).to_be_visible()
    expect(found.first).to_contain_text("Hostile <b>title</b>")
    for query in ('"', "NEAR(", "a OR", "*", "title:", "\\", "%", "()"):
        page.get_by_role("textbox", name="Search chats").fill(query)
        expect(sidebar(page).get_by_role("status")).to_contain_text(re.compile("found|No chat has"))
        expect(sidebar(page).get_by_role("alert")).to_have_count(0)


def test_search_that_cannot_be_done_says_so(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Findable")])
    page = open_page(at=kept.url)
    expect(row(page, "Findable")).to_be_visible()
    page.route("**/console/api/search?*", lambda route: route.abort())
    page.get_by_role("textbox", name="Search chats").fill("findable")
    retry = sidebar(page).get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    page.unroute("**/console/api/search?*")
    retry.click()
    expect(sidebar(page).get_by_role("status")).to_have_text("1 chat found")
