"""Pages that listen to an answer: two at once, gone and back, sending twice."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.server.conftest import running_server
from tests.server.console.client import LONG, Console, until_text


@pytest.fixture(scope="module")
def quick() -> Iterator[Console]:
    with running_server("--workspace") as server:
        yield Console(server)


@pytest.fixture(scope="module")
def slow() -> Iterator[Console]:
    """A model that needs half a minute for `LONG`."""
    with running_server("--workspace", step_seconds=0.01) as server:
        yield Console(server)


# -- listeners ---------------------------------------------------------------------------------------


def test_a_page_that_comes_back_goes_on_where_it_was(slow: Console) -> None:
    chat = slow.new_chat()
    text = "0123456789" * 10
    answer = slow.begin(chat, text)
    with slow.events(chat, answer, after=0) as events:
        first = [next(events) for _ in range(20)]
    with slow.events(chat, answer, after=first[-1]["number"]) as events:
        rest = list(events)
    numbers = [event["number"] for event in [*first, *rest]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert "".join(event.get("text", "") for event in [*first, *rest]) == text


def test_two_pages_hear_the_same(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, "0123456789" * 5)
    with ThreadPoolExecutor() as threads:
        one, two = threads.map(lambda _: slow.end(chat, answer), range(2))
    assert one == two


def test_a_page_that_opens_the_chat_meanwhile_has_the_text_so_far(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, LONG)
    until_text(slow, chat, answer)
    seen = slow.message(chat, answer)
    assert (seen["status"], LONG.startswith(seen["content"]), bool(seen["content"])) == ("running", True, True)
    slow.stop(chat, answer)


def test_an_answer_that_has_ended_tells_its_end_at_once(quick: Console) -> None:
    chat = quick.new_chat()
    ended = quick.answer(chat, "hi")
    with quick.events(chat, ended["id"], after=1) as events:
        [done] = events
    assert (done["type"], done["message"]) == ("done", ended)


@pytest.mark.parametrize("number", ["-1", "x", "9" * 30, "%00", "\u0663"])
def test_a_number_that_is_none_is_as_good_as_no_number(quick: Console, number: str) -> None:
    chat = quick.new_chat()
    answer = quick.begin(chat, "hello")
    response = quick.http.get(f"/chats/{chat}/answers/{answer}/events", params={"after": number})
    assert response.status_code == 200
    assert '"content":"hello"' in response.text


def test_fifty_answers_run_at_once(slow: Console) -> None:
    chats = [slow.new_chat() for _ in range(50)]
    answers = [slow.begin(chat, f"answer {number} " * 10) for number, chat in enumerate(chats)]
    with ThreadPoolExecutor(50) as threads:
        ended = list(threads.map(slow.end, chats, answers))
    assert [one["content"] for one in ended] == [f"answer {number} " * 10 for number in range(50)]


# -- sent twice, sent at once ------------------------------------------------------------------------


def test_the_same_request_sent_again_begins_nothing_new(slow: Console) -> None:
    chat = slow.new_chat()
    body = {"parent_id": None, "messages": [{"role": "user", "content": "once"}], "request_id": "r1"}
    with ThreadPoolExecutor() as threads:
        begun = list(threads.map(lambda _: slow.ok("POST", f"/chats/{chat}/answers", **body), range(4)))
    assert all(one == begun[0] for one in begun)
    slow.end(chat, begun[0]["messages"][-1]["id"])
    assert slow.ok("POST", f"/chats/{chat}/answers", **body) == begun[0]
    assert len(slow.chat(chat)["messages"]) == 2


def test_a_request_that_failed_can_be_sent_again(quick: Console) -> None:
    chat = quick.new_chat()
    body: dict[str, Any] = {"parent_id": None, "messages": [{"role": "user", "content": "x"}], "request_id": "r"}
    assert quick.error("POST", f"/chats/{chat}/answers", **body, model="gone")["code"] == "model_not_found"
    assert quick.ask("POST", f"/chats/{chat}/answers", **body).status_code == 200


def test_nothing_follows_an_answer_that_is_still_written(slow: Console) -> None:
    chat = slow.new_chat()
    answer = slow.begin(chat, LONG)
    more = {"parent_id": answer, "messages": [{"role": "user", "content": "and?"}]}
    assert slow.error("POST", f"/chats/{chat}/answers", **more)["status"] == 409
    assert slow.error("POST", f"/chats/{chat}/answers", parent_id=None, continue_id=answer)["status"] == 409
    beside = slow.begin(chat, None, slow.message(chat, answer)["parent_id"])
    assert {slow.stop(chat, one)["status"] for one in (answer, beside)} == {"stopped"}


def test_going_on_twice_at_once_happens_once(slow: Console) -> None:
    cut_off = slow.new_chat()
    slow.answer(cut_off, LONG, settings={"max_tokens": 5})
    archive = slow.http.get(f"/chats/{cut_off}/export").json()
    title = archive["chats"][0]["title"] = "Cut off after a long time"
    archive["chats"][0]["messages"][1]["content"] = LONG  # what goes on is as long again
    slow.ok("POST", "/import", **archive)
    chat = next(one["id"] for one in slow.ok("GET", "/chats")["chats"] if one["title"] == title)
    cut = slow.chat(chat)["messages"][1]
    body = {"parent_id": cut["parent_id"], "continue_id": cut["id"]}
    with ThreadPoolExecutor() as threads:
        statuses = threads.map(lambda _: slow.ask("POST", f"/chats/{chat}/answers", **body).status_code, range(4))
        assert sorted(statuses) == [200, 409, 409, 409]
    slow.stop(chat, cut["id"])
