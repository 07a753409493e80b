"""Tools: defined, asked for by the model, allowed or denied by the user, answered by the page or by hand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect

from tests.console.chatting import (
    answered,
    answers,
    kept_chat,
    open_parameters,
    send,
    set_longest_answer,
    set_parameter,
)

SUM = "What is 12345 * 6789? Use the calculator."
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tells the weather of a city",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def _with_calculator(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 80)
    open_parameters(page).get_by_role("switch", name="Calculator").check()


def _messages(page: Page, role: str) -> list[dict[str, Any]]:
    return [message for message in kept_chat(page)["messages"] if message["role"] == role]


def test_a_call_waits_until_it_is_allowed_and_its_result_goes_back(
    page: Page, axe: Callable[..., None], screenshot: Callable[..., Path]
) -> None:
    _with_calculator(page)
    send(page, SUM)
    page.get_by_role("button", name="Look and decide").click()
    dialog = page.get_by_role("dialog", name="The model wants to use calculator")
    expect(dialog).to_contain_text('"expression": "12345 * 6789"')
    axe(page)
    screenshot(page, "tool-approval")
    assert _messages(page, "tool") == []
    dialog.get_by_role("button", name="Allow once").click()
    answered(page, 2)
    (result,) = _messages(page, "tool")
    assert result["content"] == "83810205"
    assert _messages(page, "assistant")[-1]["status"] == "complete"


def test_a_denied_call_is_told_to_the_model(page: Page) -> None:
    _with_calculator(page)
    send(page, SUM)
    page.get_by_role("button", name="Deny", exact=True).click()
    answered(page, 2)
    (result,) = _messages(page, "tool")
    assert result["content"] == "The user did not allow this call."
    expect(answers(page).first).to_contain_text("denied")


def test_a_tool_that_is_always_allowed_runs_at_once_until_that_is_taken_back(page: Page) -> None:
    _with_calculator(page)
    send(page, SUM)
    page.get_by_role("button", name="Look and decide").click()
    page.get_by_role("dialog").get_by_role("button", name="Always allow").click()
    expect(answers(page).nth(1)).to_be_visible()  # it may call again and again
    page.goto(page.url.split("#")[0] + "#/chat")
    _with_calculator(page)
    send(page, SUM)
    expect(answers(page).nth(1)).to_be_visible()  # it may call again and again
    assert _messages(page, "tool")[0]["content"] == "83810205"
    open_parameters(page).get_by_role("button", name="Ask again").click()
    page.goto(page.url.split("#")[0] + "#/chat")
    _with_calculator(page)
    send(page, SUM)
    expect(page.get_by_role("button", name="Look and decide")).to_be_visible()


def test_a_tool_of_ones_own_is_answered_by_hand(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 60)
    open_parameters(page).get_by_role("button", name="Add a tool of your own").click()
    dialog = page.get_by_role("dialog", name="A tool of your own")
    # A whole definition, as other programs write it, fills the form.
    dialog.get_by_role("textbox", name="Parameters (JSON Schema)").fill(json.dumps(WEATHER))
    expect(dialog.get_by_role("textbox", name="Name")).to_have_value("get_weather")
    expect(dialog.get_by_text("Guaranteed")).to_be_visible()
    dialog.get_by_role("button", name="Save").click()
    send(page, "What is the weather in Paris?")
    page.get_by_role("article").get_by_role("textbox", name="Result").fill("Rain, 12 degrees")
    page.get_by_role("button", name="Send the result").click()
    answered(page, 2)
    (result,) = _messages(page, "tool")
    assert result["content"] == "Rain, 12 degrees"


def test_a_bad_definition_cannot_be_kept(page: Page) -> None:
    open_parameters(page).get_by_role("button", name="Add a tool of your own").click()
    dialog = page.get_by_role("dialog", name="A tool of your own")
    name = dialog.get_by_role("textbox", name="Name")
    save = dialog.get_by_role("button", name="Save")
    name.fill("get weather")
    expect(dialog.get_by_text("Letters, digits")).to_be_visible()
    expect(save).to_be_disabled()
    name.fill("calculator")
    expect(dialog.get_by_text("There is a tool of this name already.")).to_be_visible()
    name.fill("get_weather")
    expect(save).to_be_enabled()
    dialog.get_by_role("textbox", name="Parameters (JSON Schema)").fill('{"type": "string"}')
    expect(dialog.get_by_text("The parameters are a JSON Schema of an object.")).to_be_visible()
    expect(save).to_be_disabled()
