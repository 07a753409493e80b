"""The sidebar's list: chats appear, are named, pinned, moved, deleted and brought back; by mouse, keyboard, finger."""

import re
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.archives import bring, chat
from tests.console.conftest import OpenPage, focused
from tests.console.history import choose, kept, row, server, sidebar, titles  # noqa: F401
from tests.e2e.conftest import Program


def expect_titles(page: Page, *wanted: str) -> None:
    """Wait until these chats are all that the list has, in this order."""
    expect(sidebar(page).get_by_role("link")).to_have_text(list(wanted))


def heading(page: Page, name: str) -> None:
    expect(sidebar(page).get_by_role("heading", name=name, exact=True)).to_be_visible()


def test_an_empty_history_says_what_will_be_here(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    page = open_page(at=kept.url)
    expect(sidebar(page)).to_contain_text("Nothing here yet")


def test_a_new_chat_appears_under_its_first_message(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    page = open_page(at=kept.url)
    expect(sidebar(page)).to_contain_text("Nothing here yet")
    page.get_by_role("main").get_by_role("textbox").fill("Say hello to the sidebar")
    page.keyboard.press("Enter")
    expect(row(page, "Say hello to the sidebar")).to_have_attribute("aria-current", "page")
    heading(page, "Today")
    page.reload()
    expect(row(page, "Say hello to the sidebar")).to_have_attribute("aria-current", "page")


def test_chats_are_grouped_by_day_and_pinned_ones_come_first(
    kept: Program,  # noqa: F811
    open_page: OpenPage,
    screenshot: Callable[[Page, str], Path],
    axe: Callable[..., None],
) -> None:
    with kept.http as http:
        bring(
            http,
            [
                chat("From today"),
                chat("From yesterday", days_ago=1),
                chat("From this week", days_ago=4),
                chat("From years ago", days_ago=800),
                chat("Pinned long ago", days_ago=400, pinned=True),
                chat("In a folder", days_ago=2, folder="Recipes"),
            ],
            ["Recipes"],
        )
    page = open_page(at=kept.url)
    for name in ("Pinned", "Folders", "Today", "Yesterday", "Previous 7 days"):
        heading(page, name)
    expect_titles(page, "Pinned long ago", "From today", "From yesterday", "From this week", "From years ago")
    sidebar(page).get_by_role("button", name=re.compile("^Recipes")).click()
    expect(row(page, "In a folder")).to_be_visible()
    screenshot(page, "history")
    axe(page, "nav")


def test_renames_in_place(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Old name"), chat("Another")])
    page = open_page(at=kept.url)
    choose(page, "Old name", "Rename")
    field = sidebar(page).get_by_role("textbox", name="Title")
    expect(field).to_be_focused()
    expect(field).to_have_value("Old name")
    field.fill("  新的 name <b>bold</b> ")
    field.press("Enter")
    expect(row(page, "新的 name <b>bold</b>")).to_be_focused()
    page.keyboard.press("F2")
    sidebar(page).get_by_role("textbox", name="Title").fill("Not kept")
    page.keyboard.press("Escape")
    expect(row(page, "新的 name <b>bold</b>")).to_be_focused()
    page.reload()
    expect(row(page, "新的 name <b>bold</b>")).to_be_visible()
    expect(row(page, "Not kept")).to_have_count(0)


def test_pins_and_unpins(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Newer"), chat("Older", days_ago=30)])
    page = open_page(at=kept.url)
    choose(page, "Older", "Pin")
    heading(page, "Pinned")
    expect_titles(page, "Older", "Newer")
    page.reload()
    heading(page, "Pinned")
    choose(page, "Older", "Unpin")
    expect(sidebar(page).get_by_role("heading", name="Pinned")).to_have_count(0)
    expect_titles(page, "Newer", "Older")


def test_a_chat_is_dragged_into_a_folder_and_out_again(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Travels"), chat("Stays")])
    page = open_page(at=kept.url)
    sidebar(page).get_by_role("button", name="New folder").click()
    sidebar(page).get_by_role("textbox", name="Name of the folder").fill("Journeys")
    page.keyboard.press("Enter")
    folder = sidebar(page).get_by_role("button", name=re.compile("^Journeys"))
    expect(sidebar(page)).to_contain_text("Drag a chat here")
    row(page, "Travels").drag_to(folder)
    expect(folder.get_by_label("1 chat")).to_be_visible()
    expect_titles(page, "Travels", "Stays")
    folder.click()
    expect(row(page, "Travels")).to_have_count(0)
    folder.click()
    row(page, "Travels").drag_to(row(page, "Stays"))
    expect(folder.get_by_label("0 chats")).to_be_visible()


def test_a_chat_is_moved_by_its_menu_and_a_folder_goes_without_its_chats(
    kept: Program,  # noqa: F811
    open_page: OpenPage,
) -> None:
    with kept.http as http:
        bring(http, [chat("Goes by menu")])
    page = open_page(at=kept.url)
    choose(page, "Goes by menu", "Move to folder")
    dialog = page.get_by_role("dialog", name="Move “Goes by menu”")
    dialog.get_by_role("textbox", name="New folder").fill("Made here")
    dialog.get_by_role("button", name="Create and move").click()
    expect(dialog).to_be_hidden()
    folder = sidebar(page).get_by_role("button", name=re.compile("^Made here"))
    expect(folder.get_by_label("1 chat")).to_be_visible()
    folder.focus()
    page.keyboard.press("F2")
    sidebar(page).get_by_role("textbox", name="Name of the folder").fill("Named anew")
    page.keyboard.press("Enter")
    folder = sidebar(page).get_by_role("button", name=re.compile("^Named anew"))
    folder.hover()
    page.get_by_role("button", name="Actions for the folder “Named anew”").click()
    page.get_by_role("menuitem", name="Delete folder").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete folder").click()
    expect(folder).to_have_count(0)
    expect(row(page, "Goes by menu")).to_be_visible()
    heading(page, "Today")


def test_a_new_chat_is_begun_in_a_folder(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("There already", folder="Work")], ["Work"])
    page = open_page(at=kept.url)
    folder = sidebar(page).get_by_role("button", name=re.compile("^Work"))
    folder.click()
    folder.hover()
    page.get_by_role("button", name="Actions for the folder “Work”").click()
    page.get_by_role("menuitem", name="New chat here").click()
    page.get_by_role("main").get_by_role("textbox").fill("Begun at work")
    page.keyboard.press("Enter")
    inside = sidebar(page).get_by_role("listitem").filter(has=page.get_by_role("button", name=re.compile("^Work")))
    expect(inside.get_by_role("link", name="Begun at work")).to_be_visible()
    expect(folder.get_by_label("2 chats")).to_be_visible()


def test_a_deleted_chat_comes_back(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Precious"), chat("Other")])
    page = open_page(at=kept.url)
    row(page, "Precious").click()
    expect(page.get_by_role("main")).to_contain_text("About Precious.")
    choose(page, "Precious", "Delete")
    expect(row(page, "Precious")).to_have_count(0)
    expect(page).to_have_url(re.compile("#/chat$"))
    page.get_by_role("button", name="Undo").click()
    expect(row(page, "Precious")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("About Precious.")
    choose(page, "Precious", "Delete")
    expect(row(page, "Precious")).to_have_count(0)
    page.reload()
    expect(row(page, "Other")).to_be_visible()
    expect(row(page, "Precious")).to_have_count(0)


def test_what_the_server_refuses_is_taken_back(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Unchanged")])
    page = open_page(at=kept.url)
    expect(row(page, "Unchanged")).to_be_visible()
    page.context.set_offline(True)
    choose(page, "Unchanged", "Delete")
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(row(page, "Unchanged")).to_be_visible()
    choose(page, "Unchanged", "Pin")
    expect(sidebar(page).get_by_role("heading", name="Pinned")).to_have_count(0)
    page.context.set_offline(False)


def test_a_list_that_cannot_be_had_says_so_and_is_asked_for_again(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("Comes in the end")])
    page = open_page("/health", at=kept.url)
    page.route("**/console/api/chats?*", lambda route: route.abort())
    page.goto(kept.url + "/#/chat")
    retry = sidebar(page).get_by_role("button", name="Try again")
    expect(retry).to_be_visible()
    page.unroute("**/console/api/chats?*")
    retry.click()
    expect(row(page, "Comes in the end")).to_be_visible()


def test_five_hundred_chats_arrive_as_one_scrolls(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat(f"Number {number:03}", days_ago=number / 7) for number in range(500)])
    page = open_page(at=kept.url)
    expect(row(page, "Number 000")).to_be_visible()
    assert sidebar(page).get_by_role("link").count() < 200
    last = row(page, "Number 499")
    deadline = time.monotonic() + 200
    while not last.count():
        assert time.monotonic() < deadline
        sidebar(page).get_by_role("link").last.scroll_into_view_if_needed()
    listed = titles(page)
    assert listed == [f"Number {number:03}" for number in range(500)]
    last.click()
    expect(page.get_by_role("main")).to_contain_text("About Number 499.")


def test_the_keyboard_alone_is_enough(kept: Program, open_page: OpenPage) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("First"), chat("Second", days_ago=1), chat("Third", days_ago=3)])
    page = open_page(at=kept.url)
    expect(row(page, "First")).to_be_visible()
    page.get_by_role("textbox", name="Search chats").focus()
    page.keyboard.press("ArrowDown")
    expect(row(page, "First")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(row(page, "Third")).to_be_focused()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("About Second.")
    row(page, "Second").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("menuitem", name="Rename")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    heading(page, "Pinned")
    row(page, "Third").focus()
    page.keyboard.press("Delete")
    expect(row(page, "Third")).to_have_count(0)
    expect(focused(page)).to_have_attribute("href", re.compile("#/chat/"))


def test_on_a_phone_the_list_is_a_drawer(
    kept: Program,  # noqa: F811
    open_page: OpenPage,
    screenshot: Callable[[Page, str], Path],
) -> None:
    with kept.http as http:
        bring(http, [chat("On the road"), chat("Goes")])
    page = open_page(at=kept.url, size="phone", theme="dark")
    expect(sidebar(page)).to_have_count(0)
    page.get_by_role("button", name="Show the sidebar").click()
    expect(row(page, "On the road")).to_be_visible()
    screenshot(page, "history-phone-dark")
    row(page, "On the road").click()
    expect(page.get_by_role("main")).to_contain_text("About On the road.")
    expect(sidebar(page)).to_have_count(0)
    page.get_by_role("button", name="Show the sidebar").click()
    page.get_by_role("button", name="Actions for “Goes”").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Show the sidebar").click()
    expect(row(page, "Goes")).to_be_visible()


def test_chinese(kept: Program, open_page: OpenPage, screenshot: Callable[[Page, str], Path]) -> None:  # noqa: F811
    with kept.http as http:
        bring(http, [chat("古诗赏析"), chat("旅行计划", days_ago=1, folder="生活")], ["生活"])
    page = open_page(at=kept.url, language="zh")
    for name in ("文件夹", "今天"):
        expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()
    page.get_by_role("button", name=re.compile("^生活")).click()
    expect(page.get_by_role("link", name="旅行计划")).to_be_visible()
    screenshot(page, "history-zh")
    page.get_by_role("link", name="古诗赏析").focus()
    page.keyboard.press("Delete")
    expect(page.get_by_text("已删除“古诗赏析”")).to_be_visible()
    page.get_by_role("button", name="撤销").click()
    expect(page.get_by_role("link", name="古诗赏析")).to_be_visible()
