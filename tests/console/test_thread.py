"""The thread in the real page: what one sees of messages, how it scrolls, and how a long one opens."""

from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.archives import chat
from tests.console.chatting import answered, send
from tests.console.conftest import OpenPage
from tests.console.threads import answer, echoing, keep, kept_at
from tests.e2e.conftest import Program

FIGURES = {
    "prompt_tokens": 1412,
    "cached_tokens": 1380,
    "completion_tokens": 236,
    "ttft": 0.184,
    "tokens_per_second": 61.3,
    "truncated_tokens": 0,
}
LONG = "".join(f"Paragraph {number} of a long answer.\n\n" for number in range(120))


def test_figures_stand_under_an_answer_and_open(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Hello?", "Yes.", figures=FIGURES))
    line = page.get_by_role("button", name="61 tokens/s · 236 tokens · 0.18 s to the first token")
    line.click()
    expect(page.locator("article dl")).to_contain_text("Tokens of the prompt1,412")
    expect(page.locator("article dl")).to_contain_text("from the cache1,380")


def test_what_was_left_out_of_the_prompt_is_told(console: Program, open_page: OpenPage) -> None:
    figures = {**FIGURES, "truncated_tokens": 320}
    page = open_page(kept_at(console.url, "Hello?", "Yes.", figures=figures))
    expect(page.locator("article.assistant")).to_contain_text("left out of the prompt (320 tokens)")


def test_every_end_of_an_answer_says_what_to_do(
    console: Program, open_page: OpenPage, screenshot: Callable[[Page, str], Path], axe: Callable[..., None]
) -> None:
    one = chat("ends", "1", "Cut", "2", "Interrupted", "3", "Stopped", "4", "")
    _, cut, _, interrupted, _, stopped, _, failed = one["messages"]
    cut["finish_reason"] = "length"
    interrupted["status"] = "interrupted"
    stopped["status"] = "stopped"
    failed["status"] = "failed"
    failed["error"] = {"message": "The model needs 4 GB, and 2 GB are free.", "code": None, "param": None}
    page = open_page(keep(console.url, one))
    articles = page.locator("article.assistant")
    expect(articles).to_have_count(4)
    expect(articles.nth(0)).to_contain_text("reached its length limit")
    expect(articles.nth(1)).to_contain_text("was interrupted")
    expect(articles.nth(2)).to_contain_text("Stopped.")
    for number in range(3):
        expect(articles.nth(number).get_by_role("button", name="Continue")).to_be_visible()
    expect(articles.nth(3).get_by_role("alert")).to_contain_text("The model needs 4 GB")
    expect(articles.nth(3).get_by_role("button", name="Try again")).to_be_visible()
    axe(page, "[role=region]")
    screenshot(page, "thread-ends")


def test_json_is_laid_out_and_judged(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "JSON?", '{"name":"Ada","year":1815}', valid=True))
    expect(page.locator("article.assistant pre")).to_have_text('{\n  "name": "Ada",\n  "year": 1815\n}')
    expect(page.locator("article.assistant")).to_contain_text("Valid JSON")
    page = open_page(kept_at(console.url, "JSON?", '{"name": "Ad', valid=False))
    expect(page.locator("article.assistant")).to_contain_text("Invalid JSON")


def test_a_tool_call_is_shown_in_full_with_its_result(console: Program, open_page: OpenPage) -> None:
    one = chat("tools", "What is 17 * 23?", "", "391", "It is 391.")
    _, call, result, _ = one["messages"]
    call["finish_reason"] = "tool_calls"
    call["tool_calls"] = [{"id": "c1", "name": "calculator", "arguments": '{"expression": "17 * 23"}'}]
    result.update(role="tool", tool_call_id="c1", model=None)
    one["messages"][3].update(role="assistant", model="coder")
    page = open_page(keep(console.url, one))
    card = page.get_by_role("region", name="Tool: calculator")
    expect(card).to_contain_text('"expression": "17 * 23"')
    expect(card).to_contain_text("391")
    expect(card).to_contain_text("done")
    expect(page.locator("article")).to_have_count(3)


def test_thoughts_are_folded_up_before_the_answer(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Why?", "<think>\nHm, a **hard** one.\n</think>\n\nBecause."))
    article = page.locator("article.assistant")
    expect(article.locator(".markdown")).to_have_text("Because.")
    article.get_by_text("Thoughts").click()
    expect(article.locator("details strong")).to_have_text("hard")


def test_a_file_of_a_message_opens(console: Program, open_page: OpenPage) -> None:
    one = chat("file", "See", "Yes")
    one["messages"][0]["attachments"] = [{"name": "notes.md", "text": "# Notes\n<b>plain</b>"}]
    page = open_page(keep(console.url, one))
    page.get_by_role("button", name="Open notes.md").click()
    expect(page.get_by_role("dialog", name="notes.md")).to_contain_text("<b>plain</b>")


def test_what_the_user_wrote_is_shown_as_it_was_written(console: Program, open_page: OpenPage) -> None:
    text = "# No heading\n  two spaces, *stars* & <b>tags</b>"
    page = open_page(kept_at(console.url, text, "Yes"))
    said = page.locator("article.user .said")
    expect(said).to_be_visible()
    assert said.text_content() == text  # and not its layout, which rows out of sight have none of


def test_a_chat_opens_at_its_end_and_a_button_leads_back_there(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Long?", LONG))
    expect(answer(page).locator("p").last).to_be_in_viewport()
    page.get_by_role("region", name="Conversation").hover()
    page.mouse.wheel(0, -2500)
    button = page.get_by_role("button", name="To the end")
    button.click()
    expect(answer(page).locator("p").last).to_be_in_viewport()
    expect(button).to_have_count(0)


def test_a_running_answer_is_followed_until_the_reader_scrolls_up(open_page: OpenPage, built_page: Path) -> None:
    with echoing(built_page, step_seconds=0.004, max_model_len=20_000) as slow:
        page = open_page(at=slow)
        send(page, LONG[:2600])
        last = answer(page).locator("p").last
        expect(answer(page)).to_contain_text("Paragraph 30 ")
        expect(last).to_be_in_viewport()
        page.get_by_role("region", name="Conversation").hover()
        page.mouse.wheel(0, -600)
        expect(page.get_by_role("button", name="To the end")).to_be_visible()
        place = "() => document.querySelector('[role=region]').scrollTop"
        before = page.evaluate(place)
        expect(answer(page)).to_contain_text("Paragraph 50 ")
        assert page.evaluate(place) == before
        page.get_by_role("button", name="To the end").click()
        expect(last).to_be_in_viewport()
        answered(page)
        expect(last).to_be_in_viewport()


def test_a_message_of_a_long_chat_is_found_and_shown(console: Program, open_page: OpenPage) -> None:
    """All of a long chat is in the page, so that the browser's own search finds it; most of it is drawn later."""
    one = chat("thousand", *(f"Message {number}\n\nwith a **second** paragraph" for number in range(1000)))
    path = keep(console.url, one)
    page = open_page(path)
    expect(page.locator("article")).to_have_count(1000)
    expect(page.locator("article").last).to_be_in_viewport()
    assert page.locator(".unread").count() > 900
    page.evaluate("() => document.activeElement.blur()")
    assert page.evaluate("() => window.find('Message 500', true, false, true)")
    kept = page.request.get(f"{console.url}/console/api/chats/{path.rsplit('/', 1)[1]}").json()
    page = open_page(f"{path}?message={kept['messages'][301]['id']}")
    found = page.locator("article", has_text="Message 301")
    expect(found).to_be_in_viewport()
    expect(found.locator("strong")).to_have_text("second")


def test_the_thread_is_used_by_keyboard_alone(console: Program, open_page: OpenPage) -> None:
    page = open_page(kept_at(console.url, "Long?", LONG))
    expect(answer(page).locator("p").last).to_be_in_viewport()
    region = page.get_by_role("region", name="Conversation")
    region.focus()
    page.keyboard.press("Home")
    first = answer(page).locator("p").first
    expect(first).to_be_in_viewport()
    page.get_by_role("article", name="You").get_by_role("button", name="Edit").focus()
    page.keyboard.press("Enter")
    editor = page.get_by_role("article").get_by_role("textbox", name="Message")
    expect(editor).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("article", name="You").get_by_role("button", name="Edit")).to_be_focused()
