"""The composer: its keys, its drafts, its files, on the desk and on a phone."""

import json
import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.console.chatting import answered, ask, composer, kept_chat, questions, send, set_longest_answer
from tests.console.conftest import OpenPage

GAUGE = re.compile(r"\d+\s*/\s*4,096")


def test_enter_of_an_input_method_does_not_send(page: Page) -> None:
    """As Chromium and Safari tell of it: within the composition, and just behind it with the key code 229."""
    box = composer(page)
    box.fill("nihao")
    for composing in (
        "{isComposing: true, keyCode: 13}",
        "{isComposing: false, keyCode: 229}",
    ):
        event = f"new KeyboardEvent('keydown', {{key: 'Enter', bubbles: true, ...{composing}}})"
        box.evaluate(f"(area) => area.dispatchEvent({event})")
    expect(questions(page)).to_have_count(0)
    expect(box).to_have_value("nihao")


def test_a_word_that_an_input_method_composes_is_taken_not_sent(page: Page) -> None:
    """With the browser's own input method events: Enter ends the composition, a second one sends."""
    set_longest_answer(page, 4)
    composer(page).focus()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Input.imeSetComposition", {"text": "你好", "selectionStart": 2, "selectionEnd": 2})
    devtools.send("Input.dispatchKeyEvent", {"type": "rawKeyDown", "key": "Enter", "windowsVirtualKeyCode": 229})
    expect(questions(page)).to_have_count(0)
    devtools.send("Input.insertText", {"text": "你好"})
    expect(composer(page)).to_have_value("你好")
    composer(page).press("Enter")
    expect(questions(page)).to_contain_text("你好")
    answered(page)


def test_shift_and_enter_begin_a_line(page: Page) -> None:
    box = composer(page)
    box.press_sequentially("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    expect(box).to_have_value("one\ntwo")
    expect(questions(page)).to_have_count(0)


def test_enter_begins_a_line_where_one_prefers_ctrl_enter(page: Page) -> None:
    set_longest_answer(page, 4)
    page.evaluate(
        "() => fetch('/console/api/preferences', {method: 'PATCH', body: JSON.stringify({send_key: 'ctrl-enter'}),"
        " headers: {'Content-Type': 'application/json', 'X-Sevenb-Console': '1'}})"
    )
    try:
        page.reload()
        box = composer(page)
        box.press_sequentially("one")
        box.press("Enter")
        box.press_sequentially("two")
        expect(box).to_have_value("one\ntwo")
        box.press("Control+Enter")
        expect(questions(page)).to_contain_text("two")
    finally:
        page.evaluate(
            "() => fetch('/console/api/preferences', {method: 'PATCH', body: JSON.stringify({send_key: 'enter'}),"
            " headers: {'Content-Type': 'application/json', 'X-Sevenb-Console': '1'}})"
        )


def test_a_draft_survives_loading_anew_and_belongs_to_its_chat(page: Page) -> None:
    set_longest_answer(page, 4)
    ask(page, "Hello")
    chat = page.url
    composer(page).fill("half a thought")
    page.reload()
    expect(composer(page)).to_have_value("half a thought")
    page.goto(chat.split("#")[0] + "#/chat")
    expect(composer(page)).to_have_value("")
    composer(page).fill("another thought")
    page.goto(chat)
    expect(composer(page)).to_have_value("half a thought")
    page.goto(chat.split("#")[0] + "#/chat")
    expect(composer(page)).to_have_value("another thought")


def test_text_files_go_into_the_prompt(page: Page, tmp_path: Path) -> None:
    set_longest_answer(page, 4)
    notes, table = tmp_path / "notes.md", tmp_path / "表.csv"
    notes.write_text("# The password is heron", encoding="utf-8")
    table.write_text("a,b\n1,2\n", encoding="gb18030")
    page.locator("input[type=file]").set_input_files([notes, table])
    files = page.get_by_role("list", name="Attached files")
    expect(files.get_by_role("listitem")).to_have_count(2)
    files.get_by_role("button", name="Remove 表.csv").click()
    expect(files.get_by_role("listitem")).to_have_count(1)
    send(page, "What is the password?")
    answered(page)
    expect(questions(page)).to_contain_text("notes.md")
    user, assistant = kept_chat(page)["messages"]
    assert user["attachments"] == [{"name": "notes.md", "text": "# The password is heron"}]
    assert assistant["figures"]["prompt_tokens"] > 40
    expect(files).to_have_count(0)


def test_what_is_no_text_is_refused_with_the_reason(page: Page, tmp_path: Path) -> None:
    for name, content, words in (
        ("photo.png", b"\x89PNG\r\n\x1a\n\0\0", "not a text file"),
        ("empty.txt", b"", "is empty"),
        ("large.txt", b"x" * 1_000_001, "larger than 1 MB"),
        ("model.gguf", b"GGUF", "is a model"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        page.locator("input[type=file]").set_input_files(path)
        expect(page.get_by_text(words)).to_be_visible()
    expect(page.get_by_role("list", name="Attached files")).to_have_count(0)


def test_files_can_be_dropped_anywhere_on_the_chat(page: Page) -> None:
    expect(composer(page)).to_be_visible()
    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(['print(1)'], 'one.py'));
            const zone = document.querySelector('main textarea');
            for (const type of ['dragenter', 'dragover', 'drop'])
                zone.dispatchEvent(new DragEvent(type, {dataTransfer: data, bubbles: true, cancelable: true}));
        }"""
    )
    expect(page.get_by_role("list", name="Attached files")).to_contain_text("one.py")


def test_a_long_paste_becomes_a_file(page: Page) -> None:
    page.evaluate("(text) => navigator.clipboard.writeText(text)", "word " * 3000)
    composer(page).press("Control+V")
    expect(page.get_by_role("list", name="Attached files")).to_contain_text("pasted-1.txt")
    expect(composer(page)).to_have_value("")


def test_a_suggestion_begins_a_message_that_one_can_finish(page: Page) -> None:
    page.get_by_role("list", name="Suggestions").get_by_role("button", name=re.compile("^Translate")).click()
    expect(composer(page)).to_be_focused()
    page.keyboard.type("Good evening")
    expect(composer(page)).to_have_value("Translate this into Chinese:\n\nGood evening")
    expect(page.get_by_role("list", name="Suggestions")).to_be_hidden()
    composer(page).fill("")
    expect(page.get_by_role("list", name="Suggestions")).to_be_visible()


def test_the_meter_tells_what_the_next_message_takes(page: Page) -> None:
    gauge = page.get_by_role("meter", name="Context used by the next message")
    expect(gauge).to_have_text(GAUGE)
    before = int(str(gauge.get_attribute("aria-valuenow")))
    composer(page).fill("word " * 200)
    expect(gauge).not_to_have_attribute("aria-valuenow", str(before))
    assert int(str(gauge.get_attribute("aria-valuenow"))) >= before + 200
    composer(page).fill("word " * 4500)
    expect(gauge).to_have_attribute("aria-valuetext", re.compile("does not fit"))


def test_a_chat_on_a_phone(open_page: OpenPage, axe: Callable[..., None], screenshot: Callable[..., Path]) -> None:
    page = open_page(size="phone", language="zh")
    page.get_by_role("button", name="参数").click()
    drawer = page.get_by_role("dialog", name="参数")
    drawer.locator("summary").click()
    drawer.get_by_role("textbox", name="最长回答").fill("8")
    axe(page)
    screenshot(page, "chat-parameters-phone-zh")
    drawer.get_by_role("button", name="关闭").click()
    expect(drawer).to_be_hidden()
    box = page.get_by_role("textbox", name="消息", exact=True)
    box.fill("你好")
    page.get_by_role("button", name="发送").tap()
    answer = page.locator("article.assistant:not([aria-busy])")
    expect(answer).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    axe(page)
    screenshot(page, "chat-phone-zh")
    assert json.dumps(kept_chat(page)["settings"]).count('"max_tokens": 8') == 1


def test_an_empty_chat_has_no_serious_finding(
    open_page: OpenPage, axe: Callable[..., None], screenshot: Callable[..., Path]
) -> None:
    for theme in ("light", "dark"):
        page = open_page(theme=theme)
        page.get_by_role("button", name="Parameters").click()
        page.locator("details summary").click()
        axe(page)
        screenshot(page, f"chat-new-{theme}")
