"""Branches of a chat: edited, answered again, gone on with, deleted; and what grew too long."""

from playwright.sync_api import Page, expect

from tests.console.chatting import (
    answer_again,
    answered,
    answers,
    ask,
    composer,
    kept_chat,
    questions,
    send,
    set_longest_answer,
    set_parameter,
)


def test_an_edited_message_is_a_branch_with_its_own_answer(page: Page) -> None:
    set_longest_answer(page, 8)
    ask(page, "Say one.")
    question = questions(page).first
    question.hover()
    question.get_by_role("button", name="Edit").click()
    editor = page.get_by_role("article").get_by_role("textbox", name="Message")
    editor.fill("Say two.")
    page.get_by_role("article").get_by_role("button", name="Send").click()
    answered(page)
    expect(questions(page)).to_contain_text("Say two.")
    questions(page).hover()
    questions(page).get_by_role("button", name="Previous version").click()
    expect(questions(page)).to_contain_text("Say one.")
    page.reload()
    expect(questions(page)).to_contain_text("Say one.")
    assert len(kept_chat(page)["messages"]) == 4


def test_an_answer_made_again_is_a_branch(page: Page) -> None:
    set_longest_answer(page, 8)
    answer = ask(page, "Say a word.")
    answer_again(page, answer)
    expect(answers(page)).to_contain_text("2/2")
    answered(page)
    user, first, second = kept_chat(page)["messages"]
    assert first["parent_id"] == second["parent_id"] == user["id"]


def test_an_answer_that_was_cut_off_goes_on(page: Page) -> None:
    set_parameter(page, "Temperature", 0)
    set_longest_answer(page, 12)
    answer = ask(page, "Write the numbers from 1 to 30, separated by commas.")
    begun = kept_chat(page)["messages"][-1]["content"].rstrip()
    answer.get_by_role("button", name="Continue").click()
    expect(page.locator("article[aria-busy]")).to_have_count(0)
    page.wait_for_function(
        "(length) => document.querySelector('article.assistant').innerText.length > length + 4", arg=len(begun)
    )
    answered(page)
    (message,) = [message for message in kept_chat(page)["messages"] if message["role"] == "assistant"]
    assert message["content"].startswith(begun)
    assert len(message["content"]) > len(begun)


def test_a_chat_longer_than_its_context_says_so_and_offers_to_leave_out_the_oldest(page: Page) -> None:
    set_longest_answer(page, 8)
    ask(page, "Remember: " + "apple pear plum " * 30)
    set_parameter(page, "Context length", 256)
    send(page, "And also: " + "grape melon kiwi " * 25)
    note = page.get_by_role("alert").filter(has_text="longer than the context")
    expect(note).to_be_visible()
    note.get_by_role("button", name="Leave out the oldest messages").click()
    expect(note).to_be_hidden()
    answered(page, 2)
    last = max(kept_chat(page)["messages"], key=lambda message: message["created_at"])
    assert last["status"] == "complete"
    assert last["figures"]["truncated_tokens"] > 0


def test_a_deleted_message_goes_with_what_follows(page: Page) -> None:
    set_longest_answer(page, 8)
    ask(page, "One")
    ask(page, "Two")
    question = questions(page).nth(1)
    question.hover()
    question.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(questions(page)).to_have_count(1)
    assert len(kept_chat(page)["messages"]) == 2


def test_a_chat_that_is_not_there_says_so(page: Page) -> None:
    page.goto(page.url.split("#")[0] + "#/chat/" + "0" * 32)
    expect(page.get_by_text("This chat does not exist")).to_be_visible()
    page.get_by_role("main").get_by_role("button", name="New chat").click()
    expect(composer(page)).to_be_focused()
