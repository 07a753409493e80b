"""What is one user's is for every other user not there."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.console.client import LONG, Console, until_text
from tests.server.console.team import Team, running_team


@pytest.fixture(scope="module")
def team() -> Iterator[Team]:
    with running_team(step_seconds=0.01) as running:
        yield running


@pytest.fixture(scope="module")
def things(team: Team) -> dict[str, str]:
    """Of Ben: a chat with an answer, a folder, a persona."""
    chat = team.ben.new_chat()
    answer = team.ben.answer(chat, "my secret")
    folder = team.ben.ok("POST", "/folders", name="Private")["id"]
    persona = team.ben.ok("POST", "/personas", name="Me", system="secret")["id"]
    question = answer["parent_id"]
    return {"chat": chat, "answer": answer["id"], "question": question, "folder": folder, "persona": persona}


REQUESTS: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/chats/{chat}", {}),
    ("PATCH", "/chats/{chat}", {"title": "mine"}),
    ("DELETE", "/chats/{chat}", {}),
    ("POST", "/chats/{chat}/restore", {}),
    ("GET", "/chats/{chat}/export", {}),
    ("GET", "/chats/{chat}/export?format=markdown", {}),
    ("DELETE", "/chats/{chat}/messages/{question}", {}),
    ("POST", "/chats/{chat}/answers", {"parent_id": None, "messages": [{"role": "user", "content": "x"}]}),
    ("POST", "/chats/{chat}/answers", {"parent_id": "{question}"}),
    ("POST", "/chats/{chat}/answers", {"parent_id": "{question}", "continue_id": "{answer}"}),
    ("POST", "/chats/{chat}/tokens", {"parent_id": "{answer}"}),
    ("GET", "/chats/{chat}/answers/{answer}/events", {}),
    ("POST", "/chats/{chat}/answers/{answer}/stop", {}),
    ("PATCH", "/folders/{folder}", {"name": "Mine"}),
    ("DELETE", "/folders/{folder}", {}),
    ("PATCH", "/personas/{persona}", {"name": "Mine"}),
    ("DELETE", "/personas/{persona}", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), REQUESTS)
def test_another_users_things_are_not_found_even_by_an_administrator(
    team: Team, things: dict[str, str], method: str, path: str, body: dict[str, Any]
) -> None:
    filled = {name: value.format(**things) if isinstance(value, str) else value for name, value in body.items()}
    stolen = team.anna.error(method, path.format(**things), **filled)
    missing = team.anna.error(method, path.format(**dict.fromkeys(things, "0" * 32)), **filled)
    assert (stolen["status"], stolen["code"]) == (404, "not_found")
    assert stolen["message"] == missing["message"]  # nobody learns which ids exist
    assert team.ben.chat(things["chat"])["messages"][1]["content"] == "my secret"


def test_ones_own_chat_takes_nothing_of_others(team: Team, things: dict[str, str]) -> None:
    own = team.anna.new_chat()
    asked = {"messages": [{"role": "user", "content": "x"}]}
    assert team.anna.error("POST", f"/chats/{own}/answers", parent_id=things["answer"], **asked)["status"] == 404
    assert team.anna.error("PATCH", f"/chats/{own}", folder_id=things["folder"])["status"] == 404
    assert team.anna.error("PATCH", f"/chats/{own}", leaf_id=things["answer"])["status"] == 404
    assert team.anna.error("POST", "/chats", folder_id=things["folder"])["status"] == 404
    assert team.anna.error("GET", f"/chats/{own}/answers/{things['answer']}/events")["status"] == 404
    assert team.anna.chat(own)["messages"] == []


def test_lists_search_and_export_show_ones_own_alone(team: Team, things: dict[str, str]) -> None:
    assert things["chat"] not in [chat["id"] for chat in team.anna.ok("GET", "/chats")["chats"]]
    assert team.anna.ok("GET", f"/chats?folder={things['folder']}")["chats"] == []
    assert team.anna.ok("GET", "/search?q=secret") == []
    assert "secret" not in team.anna.http.get("/export").text
    assert [len(team.anna.ok("GET", path)) for path in ("/folders", "/personas")] == [0, 0]
    assert team.ben.ok("GET", "/search?q=secret")[0]["chat"]["id"] == things["chat"]


def test_a_running_answer_is_not_heard_or_stopped_by_others(team: Team) -> None:
    chat = team.ben.new_chat()
    answer = team.ben.begin(chat, LONG)
    until_text(team.ben, chat, answer)
    own = team.anna.new_chat()
    for holder in (chat, own):
        assert team.anna.error("GET", f"/chats/{holder}/answers/{answer}/events")["status"] == 404
        assert team.anna.error("POST", f"/chats/{holder}/answers/{answer}/stop")["status"] == 404
    assert team.ben.message(chat, answer)["status"] == "running"
    assert team.ben.stop(chat, answer)["status"] == "stopped"


def test_an_answer_belongs_to_its_own_chat_alone(team: Team) -> None:
    one, two = team.ben.new_chat(), team.ben.new_chat()
    ended = team.ben.answer(one, "hi")["id"]
    running = team.ben.begin(one, LONG)
    for answer in (ended, running):
        assert team.ben.error("GET", f"/chats/{two}/answers/{answer}/events")["status"] == 404
        assert team.ben.error("POST", f"/chats/{two}/answers/{answer}/stop")["status"] == 404
    team.ben.stop(one, running)


def test_whoever_is_not_signed_in_sees_nothing(team: Team, things: dict[str, str]) -> None:
    stranger = Console(team.server)
    for method, path, body in REQUESTS:
        assert stranger.error(method, path.format(**things), **body)["status"] == 401
