"""The history over the console's API: chats, folders, personas, search, export and import, schemas."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.conftest import running_server
from tests.server.console.client import Console


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    with running_server("--workspace") as server:
        yield Console(server)


def titles(console: Console, query: str = "") -> list[str]:
    return [chat["title"] for chat in console.ok("GET", f"/chats{query}")["chats"]]


# -- chats -------------------------------------------------------------------------------------------


def test_a_chat_is_made_changed_deleted_and_brought_back(console: Console) -> None:
    made = console.ok("POST", "/chats", title="Plans", model="echo", settings={"temperature": 0.5})
    assert (made["title"], made["titled"], made["settings"], made["messages"]) == (
        "Plans",
        True,
        {"temperature": 0.5},
        [],
    )
    changed = console.ok("PATCH", f"/chats/{made['id']}", title=" New\n plans ", pinned=True, settings={"seed": 1})
    assert (changed["title"], changed["pinned"]) == ("New plans", True)
    assert console.chat(made["id"])["settings"] == {"seed": 1}
    console.ok("DELETE", f"/chats/{made['id']}")
    assert console.error("GET", f"/chats/{made['id']}")["status"] == 404
    assert console.error("DELETE", f"/chats/{made['id']}")["status"] == 404
    assert console.ok("POST", f"/chats/{made['id']}/restore")["title"] == "New plans"
    assert "New plans" in titles(console)


def test_a_title_of_ones_own_stays_and_an_empty_one_is_made_anew(console: Console) -> None:
    chat = console.new_chat(title="Mine")
    console.answer(chat, "hello")
    assert console.chat(chat)["title"] == "Mine"
    console.ok("PATCH", f"/chats/{chat}", title="")
    console.answer(chat, "again")
    assert console.chat(chat)["title"] == "hello"


def test_the_history_comes_in_pages_pinned_first(console: Console) -> None:
    folder = console.ok("POST", "/folders", name="Paged")["id"]
    made = [console.new_chat(title=f"page {number}", folder_id=folder) for number in range(5)]
    console.ok("PATCH", f"/chats/{made[0]}", pinned=True)
    seen: list[str] = []
    path = f"/chats?folder={folder}&limit=2"
    page = console.ok("GET", path)
    while True:
        seen += [chat["id"] for chat in page["chats"]]
        if page["next"] is None:
            break
        page = console.ok("GET", f"{path}&cursor={page['next']}")
    assert seen == [made[0], *reversed(made[1:])]


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "cursor=garbage", "cursor=%00", "folder=%00"])
def test_a_page_that_cannot_be_is_refused_or_empty(console: Console, query: str) -> None:
    assert console.ask("GET", f"/chats?{query}").status_code in (200, 400, 404)


@pytest.mark.parametrize(
    ("body", "parameter"),
    [
        ({}, None),
        ({"unknown": 1}, None),
        ({"title": None}, "title"),
        ({"title": "x" * 501}, "title"),
        ({"pinned": "yes"}, "pinned"),
        ({"settings": None}, "settings"),
        ({"settings": {"temperature": "hot"}}, "settings.temperature"),
        ({"settings": {"tools": [{"description": "x"}]}}, "settings.tools[0].name"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(console: Console, body: dict[str, Any], parameter: str | None) -> None:
    chat = console.new_chat()
    error = console.http.patch(f"/chats/{chat}", json=body)
    assert (error.status_code, error.json()["error"]["param"]) == (400, parameter)


# -- folders and personas ----------------------------------------------------------------------------


def test_folders_hold_chats_and_leave_them_behind(console: Console) -> None:
    folder = console.ok("POST", "/folders", name="  Work ")
    assert folder["name"] == "Work"
    chat = console.new_chat(title="in the folder", folder_id=folder["id"])
    assert titles(console, f"?folder={folder['id']}") == ["in the folder"]
    assert next(one for one in console.ok("GET", "/folders") if one["id"] == folder["id"])["chats"] == 1
    assert console.ok("PATCH", f"/folders/{folder['id']}", name="Works")["name"] == "Works"
    assert console.ok("PATCH", f"/chats/{chat}", folder_id=None)["folder_id"] is None
    console.ok("PATCH", f"/chats/{chat}", folder_id=folder["id"])
    console.ok("DELETE", f"/folders/{folder['id']}")
    assert console.chat(chat)["folder_id"] is None
    assert "in the folder" in titles(console, "?folder=none")


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 101])
def test_a_folder_needs_a_name_that_can_be_shown(console: Console, name: str) -> None:
    assert console.error("POST", "/folders", name=name)["param"] == "name"


def test_personas_keep_a_prompt_with_settings(console: Console) -> None:
    made = console.ok("POST", "/personas", name="Poet", system="Rhyme.", settings={"temperature": 1.2})
    changed = console.ok("PATCH", f"/personas/{made['id']}", system="Rhyme always.")
    assert changed == made | {"system": "Rhyme always."}
    assert changed in console.ok("GET", "/personas")
    assert console.error("POST", "/personas", name="Poet")["status"] == 409
    console.ok("DELETE", f"/personas/{made['id']}")
    assert changed not in console.ok("GET", "/personas")


# -- search ------------------------------------------------------------------------------------------


def test_messages_are_found_in_both_languages(console: Console) -> None:
    chat = console.new_chat()
    console.answer(chat, "The platypus 会唱歌 at night")
    for query in ("platyp", "唱歌", "PLATYPUS night"):
        hits = console.http.get("/search", params={"q": query}).json()
        assert chat in [hit["chat"]["id"] for hit in hits], query
        assert any("\x02" in hit["snippet"] for hit in hits)


@pytest.mark.parametrize("query", ["", " ", '"', "'; DROP TABLE chats; --", "NEAR(", "a AND", "*", "\0", "(" * 2000])
def test_no_query_is_an_error(console: Console, query: str) -> None:
    assert console.http.get("/search", params={"q": query}).status_code == 200


# -- export and import -------------------------------------------------------------------------------


def test_a_chat_comes_back_as_it_was_from_its_export(console: Console) -> None:
    chat = console.new_chat(title='Trip: "Rome" / 罗马', settings={"temperature": 0})
    first = console.answer(chat, "one")
    console.answer(chat, None, first["parent_id"])
    console.answer(chat, "two", first["id"])
    response = console.http.get(f"/chats/{chat}/export")
    assert response.headers["Content-Disposition"].startswith('attachment; filename="Trip Rome __.json"')
    archive = response.json()
    assert (archive["format"], archive["version"], len(archive["chats"])) == ("sevenb-chats", 1, 1)
    assert console.ok("POST", "/import", **archive) == {"imported": 1, "skipped": []}
    [copy] = [
        one
        for one in console.ok("GET", "/chats")["chats"]
        if one["title"] == archive["chats"][0]["title"] and one["id"] != chat
    ]
    original, imported = console.chat(chat), console.chat(copy["id"])
    assert tree(imported) == tree(original)
    assert imported["settings"] == original["settings"]


def tree(chat: dict[str, Any]) -> list[Any]:
    """The messages without their ids."""
    places = {message["id"]: place for place, message in enumerate(chat["messages"])}
    rest = [{**message, "id": 0, "parent_id": places.get(message["parent_id"])} for message in chat["messages"]]
    return [*rest, places[chat["leaf_id"]]]


def test_markdown_has_the_branch_that_is_shown(console: Console) -> None:
    chat = console.new_chat(title="Talk", settings={"system": "Be kind."})
    first = console.answer(chat, "not shown")
    files = [{"name": "a.md", "text": "```\ncode\n```"}]
    message = {"role": "user", "content": "shown", "attachments": files}
    begun = console.ok("POST", f"/chats/{chat}/answers", parent_id=None, messages=[message])
    console.end(chat, begun["messages"][-1]["id"])
    response = console.http.get(f"/chats/{chat}/export?format=markdown")
    assert response.headers["Content-Type"] == "text/markdown; charset=utf-8"
    assert 'filename="Talk.md"' in response.headers["Content-Disposition"]
    assert response.text.startswith("# Talk\n")
    assert (
        "## System\n\nBe kind.\n\n## User\n\n**a.md**\n\n````\n```\ncode\n```\n````\n\nshown\n\n## Assistant (echo)"
        in response.text
    )
    assert first["content"] not in response.text


def test_all_chats_are_exported_together(console: Console) -> None:
    console.answer(console.new_chat(), "part of everything")
    archive = console.http.get("/export").json()
    assert "part of everything" in [chat["title"] for chat in archive["chats"]]


@pytest.mark.parametrize("body", [{}, {"format": "sevenb-chats", "version": 99, "chats": []}, {"chats": 3}])
def test_what_is_no_archive_is_refused(console: Console, body: dict[str, Any]) -> None:
    response = console.http.post("/import", json=body)
    assert response.status_code == 400
    assert "archive" in response.json()["error"]["message"].lower() or response.json()["error"]["param"]


def test_a_chat_of_an_archive_that_is_broken_is_named_and_left_out(console: Console) -> None:
    chat = console.new_chat(title="whole")
    console.answer(chat, "hi")
    archive = json.loads(console.http.get(f"/chats/{chat}/export").text)
    broken = json.loads(json.dumps(archive["chats"][0]))
    broken["title"] = "broken"
    broken["messages"][0]["parent_id"] = broken["messages"][1]["id"]
    archive["chats"].append(broken)
    result = console.ok("POST", "/import", **archive)
    assert result["imported"] == 1
    assert [skipped["title"] for skipped in result["skipped"]] == ["broken"]


# -- schemas -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "verdict"),
    [
        ({"type": "object", "properties": {"a": {"type": "string"}}}, "proven"),
        ({"type": "array", "uniqueItems": True, "items": {"type": "integer"}}, "checked"),
        ({"type": "nonsense"}, "refused"),
        (False, "refused"),
        ("text", "refused"),
        (None, "refused"),
    ],
)
def test_a_schema_is_judged(console: Console, schema: Any, verdict: str) -> None:
    judged = console.ok("POST", "/schema", schema=schema)
    assert judged["verdict"] == verdict
    assert (judged["message"] is None) == (verdict != "refused")
