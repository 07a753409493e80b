"""The parameters: sliders reach the model, personas keep them, resetting takes them back."""

import re

from playwright.sync_api import Page, expect

from tests.console.chatting import (
    answer_again,
    answered,
    answers,
    ask,
    composer,
    kept_chat,
    open_parameters,
    set_longest_answer,
    set_parameter,
)


def _text(page: Page, index: int) -> str:
    return str([one for one in kept_chat(page)["messages"] if one["role"] == "assistant"][index]["content"])


def test_the_same_seed_gives_the_same_answer_again(page: Page) -> None:
    set_parameter(page, "Temperature", 1.5)
    set_longest_answer(page, 24)
    seed = open_parameters(page).get_by_role("textbox", name="Seed")
    seed.fill("7")
    seed.blur()
    answer_again(page, ask(page, "Invent a name for a ship, and say why."))
    expect(answers(page)).to_contain_text("2/2")
    answered(page)
    assert _text(page, 0) == _text(page, 1)
    seed.fill("8")
    seed.blur()
    answer_again(page, answers(page))
    expect(answers(page)).to_contain_text("3/3")
    answered(page)
    assert _text(page, 2) != _text(page, 0)


def test_a_slider_moves_by_keys_and_its_value_stays_with_the_chat(page: Page) -> None:
    panel = open_parameters(page)
    slider = panel.get_by_role("slider", name="Temperature")
    slider.focus()
    for _ in range(4):
        slider.press("ArrowLeft")
    expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("0.8")
    set_longest_answer(page, 4)
    ask(page, "Hello")
    assert kept_chat(page)["settings"]["temperature"] == 0.8
    slider.press("ArrowLeft")
    page.get_by_role("button", name="New chat").or_(page.get_by_role("link", name="New chat")).first.click()
    expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("")
    page.go_back()
    expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("0.75")


def test_an_answer_ends_before_a_stop_text(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 60)
    stop = open_parameters(page).get_by_role("textbox", name="Stop sequences")
    stop.fill("5")
    stop.press("Enter")
    expect(page.get_by_role("button", name="Remove 5")).to_be_visible()
    ask(page, "Write the numbers from 1 to 9.")
    assert "4" in _text(page, 0)
    assert "5" not in _text(page, 0)


def test_the_context_slider_goes_as_far_as_the_server(page: Page) -> None:
    panel = open_parameters(page)
    slider = panel.get_by_role("slider", name="Context length")
    expect(slider).to_have_attribute("max", "4096")
    slider.focus()
    slider.press("Home")
    gauge = page.get_by_role("meter", name="Context used by the next message")
    expect(gauge).to_have_attribute("aria-valuemax", "256")
    panel.get_by_role("button", name=re.compile("Context length")).click()
    expect(gauge).to_have_attribute("aria-valuemax", "4096")


def test_a_number_out_of_bounds_is_told(page: Page) -> None:
    set_longest_answer(page, 9999)
    expect(open_parameters(page).get_by_role("alert")).to_contain_text("whole number from 1 to 4,096")


def test_a_persona_keeps_system_prompt_and_parameters(page: Page) -> None:
    set_longest_answer(page, 4)
    panel = open_parameters(page)
    panel.get_by_role("textbox", name="System prompt").fill("You are a pirate.")
    set_parameter(page, "Temperature", 0.3)
    panel.get_by_role("button", name="Save as persona").click()
    dialog = page.get_by_role("dialog", name="Save as persona")
    dialog.get_by_role("textbox", name="Name").fill("Pirate")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()

    panel.get_by_role("button", name="Reset all").click()
    expect(panel.get_by_role("textbox", name="System prompt")).to_have_value("")
    panel.get_by_role("button", name="Persona:").click()
    page.get_by_role("menuitemradio", name="Pirate").click()
    expect(panel.get_by_role("textbox", name="System prompt")).to_have_value("You are a pirate.")
    expect(panel.get_by_role("spinbutton", name="Temperature")).to_have_value("0.3")
    ask(page, "Hello")
    assert kept_chat(page)["settings"]["system"] == "You are a pirate."

    panel.get_by_role("button", name="Persona:").click()
    page.get_by_role("menuitem", name="Manage personas").click()
    manager = page.get_by_role("dialog", name="Manage personas")
    manager.get_by_role("button", name="Edit Pirate").click()
    manager.get_by_role("textbox", name="Name").fill("Captain")
    manager.get_by_role("button", name="Save").click()
    manager.get_by_role("button", name="Delete Captain").click()
    expect(manager.get_by_text("No personas yet")).to_be_visible()


def test_new_chats_begin_with_what_one_has_chosen(page: Page) -> None:
    panel = open_parameters(page)
    set_parameter(page, "Top-p", 0.5)
    panel.get_by_role("button", name="Use for new chats").click()
    expect(page.get_by_text("New chats begin with these parameters.")).to_be_visible()
    try:
        page.reload()
        expect(page.get_by_role("spinbutton", name="Top-p")).to_have_value("0.5")
    finally:
        panel.get_by_role("button", name="Reset all").click()
        panel.get_by_role("button", name="Use for new chats").click()
        expect(page.get_by_text("New chats begin with these parameters.")).to_be_visible()


def test_a_model_is_chosen_by_keys(page: Page) -> None:
    picker = page.get_by_role("button", name="Model: coder")
    picker.focus()
    picker.press("Enter")
    options = page.get_by_role("listbox").get_by_role("option")
    expect(options.filter(has_text="coder").first).to_contain_text("Ready")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_have_count(0)
    expect(picker).to_be_focused()
    expect(composer(page)).to_be_visible()
