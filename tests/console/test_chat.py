"""Sending, streaming, stopping and coming back, in the real page with the real model."""

import re

from playwright.sync_api import Page, Route, expect

from tests.console.chatting import (
    LONG,
    answered,
    answers,
    ask,
    composer,
    held_midway,
    kept_chat,
    questions,
    send,
    set_longest_answer,
    set_parameter,
    writing,
)
from tests.e2e.conftest import Program

RUNNING = "sevenb_num_requests_running"


def test_an_answer_streams_and_is_kept(page: Page, console: Program) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 200)
    with held_midway(page, console, "Write the numbers from 1 to 300."):
        pass
    expect(page).to_have_url(re.compile(r"#/chat/\w{32}"))
    answer = answered(page)
    expect(answer).to_contain_text("tokens/s")
    user, assistant = kept_chat(page)["messages"]
    assert user["content"] == "Write the numbers from 1 to 300."
    assert assistant["status"] == "complete"
    assert assistant["figures"]["completion_tokens"] == 200
    expect(page.get_by_role("main")).to_contain_text("limit")
    assert page.title() == "Write the numbers from 1 to 300. · sevenb"


def test_stop_keeps_the_text_and_frees_the_sequence(page: Page, console: Program) -> None:
    set_parameter(page, "Temperature", 0)
    send(page, LONG)
    writing(page)
    console.until(lambda: console.gauge(RUNNING) == 1)
    page.get_by_role("button", name="Stop", exact=True).click()
    answered(page)
    console.until(lambda: console.gauge(RUNNING) == 0)
    message = kept_chat(page)["messages"][-1]
    assert message["status"] == "stopped"
    assert message["content"]


def test_escape_stops_and_the_next_message_can_be_sent(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    send(page, LONG)
    writing(page)
    composer(page).press("Escape")
    answered(page)
    set_longest_answer(page, 8)
    ask(page, "Hello")
    assert [message["role"] for message in kept_chat(page)["messages"]] == ["user", "assistant", "user", "assistant"]


def test_a_page_that_is_loaded_anew_in_the_middle_goes_on(page: Page, console: Program) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 200)
    with held_midway(page, console, LONG):
        page.reload()
        before = writing(page).inner_text()
        assert before
    answered(page)
    message = kept_chat(page)["messages"][-1]
    assert message["status"] == "complete"
    assert message["figures"]["completion_tokens"] == 200


def test_a_broken_line_is_taken_up_again(page: Page, console: Program) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 200)
    with held_midway(page, console, LONG):
        page.context.set_offline(True)
        page.evaluate("() => dispatchEvent(new Event('offline'))")
        expect(page.locator("article[aria-busy]")).to_be_visible()
    page.context.set_offline(False)
    answered(page)
    message = kept_chat(page)["messages"][-1]
    assert message["status"] == "complete"
    assert message["figures"]["completion_tokens"] == 200
    # Nothing twice, nothing missing: what is shown is what was kept.
    shown = re.sub(r"\W+", "", answers(page).first.locator("> *").nth(1).inner_text())
    assert shown in re.sub(r"\W+", "", message["content"])


def test_what_cannot_be_sent_stays_in_the_composer(page: Page) -> None:
    set_longest_answer(page, 8)
    ask(page, "Hello")
    page.context.set_offline(True)
    send(page, "Are you there?")
    expect(page.get_by_text("Your text is kept here")).to_be_visible()
    expect(composer(page)).to_have_value("Are you there?")
    page.context.set_offline(False)
    expect(page.get_by_text("Your text is kept here")).to_be_hidden()
    composer(page).press("Enter")
    answered(page, 2)
    assert [message["content"] for message in kept_chat(page)["messages"] if message["role"] == "user"] == [
        "Hello",
        "Are you there?",
    ]


def test_a_message_that_arrived_without_its_answer_is_not_sent_twice(page: Page) -> None:
    set_longest_answer(page, 8)
    ask(page, "Hello")

    def lose_the_answer(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/answers", lose_the_answer, times=1)
    send(page, "Only once")
    expect(questions(page)).to_have_count(2)
    answered(page, 2)
    expect(composer(page)).to_have_value("")
    assert len(kept_chat(page)["messages"]) == 4
