"""JSON mode: any object, or an answer held to a schema that is checked while one writes it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.console.chatting import ask, kept_chat, open_parameters, set_longest_answer, set_parameter

COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}, "warm": {"type": "boolean"}},
    "required": ["colour", "warm"],
    "additionalProperties": False,
}


def _answer(page: Page) -> dict[str, Any]:
    message: dict[str, Any] = kept_chat(page)["messages"][-1]
    return message


def _schema_dialog(page: Page) -> tuple[Locator, Locator]:
    open_parameters(page).get_by_role("tab", name="Schema").click()
    dialog = page.get_by_role("dialog", name="Schema of the answer")
    return dialog, dialog.get_by_role("textbox", name="JSON Schema")


def test_an_answer_in_object_mode_is_a_json_object(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 300)
    open_parameters(page).get_by_role("tab", name="Object").click()
    expect(page.get_by_role("main").get_by_role("button", name="JSON", exact=True)).to_be_visible()
    answer = ask(page, "Give the name and the capital of France as JSON, short.")
    assert _answer(page)["valid"] is True
    assert isinstance(json.loads(_answer(page)["content"]), dict)
    expect(answer).to_contain_text("Valid JSON")


def test_an_answer_keeps_to_the_schema(page: Page) -> None:
    set_longest_answer(page, 300)
    dialog, editor = _schema_dialog(page)
    editor.fill(json.dumps(COLOUR))
    expect(dialog.get_by_text("Guaranteed")).to_be_visible()
    dialog.get_by_role("button", name="Use this schema").click()
    expect(open_parameters(page)).to_contain_text("2 fields: colour, warm")
    answer = ask(page, "Tell me a joke.")
    expect(answer).to_contain_text("Valid JSON")
    found = json.loads(_answer(page)["content"])
    assert found["colour"] in COLOUR["properties"]["colour"]["enum"]  # type: ignore[index]
    assert isinstance(found["warm"], bool)


def test_an_answer_cut_off_in_json_mode_is_told_to_be_invalid(page: Page) -> None:
    set_longest_answer(page, 3)
    dialog, _ = _schema_dialog(page)
    dialog.get_by_role("button", name="Use this schema").click()
    answer = ask(page, "Describe Ada Lovelace.")
    expect(answer).to_contain_text("Invalid JSON")
    assert _answer(page)["valid"] is False


def test_the_schema_editor_tells_where_the_text_is_wrong(page: Page) -> None:
    dialog, editor = _schema_dialog(page)
    editor.fill('{\n  "type": "object",\n  "properties": {}\n  "required": []\n}')
    mistake = dialog.get_by_role("button", name="Line 4, column 3")
    expect(mistake).to_be_visible()
    expect(editor).to_have_attribute("aria-invalid", "true")
    expect(dialog.get_by_role("button", name="Use this schema")).to_be_disabled()
    mistake.click()
    expect(editor).to_be_focused()
    assert editor.evaluate("(area) => area.value.slice(area.selectionStart, area.selectionStart + 10)") == '"required"'
    editor.fill('{"type": "object",}')
    expect(dialog.get_by_text("This comma has nothing behind it.")).to_be_visible()
    editor.fill("[1, 2]")
    expect(dialog.get_by_text("A schema is a JSON object")).to_be_visible()


def test_the_server_says_whether_it_can_hold_answers_to_a_schema(
    page: Page, axe: Callable[..., None], screenshot: Callable[..., Path]
) -> None:
    dialog, editor = _schema_dialog(page)
    expect(dialog.get_by_text("Guaranteed")).to_be_visible()
    editor.fill('{"type": "array", "items": {"type": "integer"}, "uniqueItems": true}')
    expect(dialog.get_by_text("Checked at the end")).to_be_visible()
    editor.fill('{"$ref": "https://example.com/schema.json"}')
    expect(dialog.get_by_text("Not supported")).to_be_visible()
    expect(dialog.get_by_role("button", name="Use this schema")).to_be_disabled()
    axe(page)
    screenshot(page, "json-schema-refused")
    dialog.get_by_role("button", name="Begin with a sample").click()
    page.get_by_role("menuitem", name="Classification").click()
    expect(dialog.get_by_text("Guaranteed")).to_be_visible()
    dialog.get_by_role("button", name="Cancel").click()
    expect(open_parameters(page).get_by_role("tab", name="Off")).to_have_attribute("aria-selected", "true")


def test_the_editor_sets_json_in_order_and_indents_lines(page: Page) -> None:
    dialog, editor = _schema_dialog(page)
    editor.fill('{"type":"object"}')
    dialog.get_by_role("button", name="Format").click()
    expect(editor).to_have_value('{\n  "type": "object"\n}')
    editor.fill("")
    editor.press_sequentially("{")
    editor.press("Enter")
    editor.press_sequentially('"a')
    expect(editor).to_have_value('{\n  "a')
