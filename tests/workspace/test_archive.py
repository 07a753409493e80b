"""Archives: out and in again unchanged; nothing that comes in is trusted."""

import copy
import json
import time
from typing import Any

import pytest

from sevenb.errors import InvalidRequest
from sevenb.workspace import Attachment, Figures, NewMessage, Problem, ToolCall, User, Workspace


@pytest.fixture
def archive(workspace: Workspace, bob: User) -> dict[str, Any]:
    """A chat with everything a chat can have, as it is exported."""
    folder = workspace.folders.create(bob.id, "工作")
    chat = workspace.chats.create(
        bob.id, title="Round trip", model="qwen", folder_id=folder.id,
        settings={"system": "Be brief.", "temperature": 0.5, "seed": None, "stop": ["END"], "json_mode": "schema",
                  "json_schema": {"type": "object"}, "tools": [{"name": "add", "description": "", "parameters": {}}]},
    )  # fmt: skip
    first, _, _ = workspace.chats.add_messages(
        bob.id,
        chat.id,
        [
            NewMessage("user", "你好\x02<script>", attachments=[Attachment("a.txt", "text")]),
            NewMessage("assistant", tool_calls=[ToolCall("c", "add", "{}")], figures=Figures(1, 0, 2, 0.5, 30.5, 7)),
            NewMessage("tool", "3", tool_call_id="c"),
        ],
    )
    workspace.chats.add_message(
        bob.id,
        chat.id,
        NewMessage("assistant", "x", parent_id=first.id, status="failed", error=Problem("Full.", "full")),
    )
    workspace.chats.update(bob.id, chat.id, leaf_id=first.id, pinned=True)
    exported: dict[str, Any] = json.loads(json.dumps(workspace.chats.export(bob.id)))
    return exported


def without_ids(chat: dict[str, Any]) -> dict[str, Any]:
    """The chat with its messages' places for their ids."""
    chat = copy.deepcopy(chat)
    places = {message["id"]: place for place, message in enumerate(chat["messages"])}
    for message in chat["messages"]:
        message["id"], message["parent_id"] = places[message["id"]], places.get(message["parent_id"])
    chat["leaf_id"] = places.get(chat["leaf_id"])
    del chat["id"], chat["folder_id"]
    return chat


def test_a_round_trip_changes_only_ids(workspace: Workspace, ada: User, bob: User, archive: dict[str, Any]) -> None:
    result = workspace.chats.import_(ada.id, archive)
    assert (result.imported, result.skipped) == (1, [])
    again = workspace.chats.export(ada.id)
    assert [without_ids(chat) for chat in json.loads(json.dumps(again["chats"]))] == [
        without_ids(chat) for chat in archive["chats"]
    ]
    assert [folder["name"] for folder in again["folders"]] == ["工作"]
    assert again["chats"][0]["id"] != archive["chats"][0]["id"]
    assert len(workspace.chats.search(ada.id, "你好")) == 1
    assert len(workspace.chats.search(ada.id, "round trip")) == 1
    workspace.chats.import_(ada.id, archive)
    assert len(workspace.folders.list(ada.id)) == 1
    assert len(workspace.chats.list(bob.id)[0]) == 1


def set_at(archive: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the archive with one value changed: ``messages.0.role`` is of its chat."""
    changed = copy.deepcopy(archive)
    target: Any = changed["chats"][0]
    *way, last = path.split(".")
    for step in way:
        target = target[int(step) if isinstance(target, list) else step]
    target[last] = value
    return changed


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("messages", "x"),
        ("messages", None),
        ("title", 7),
        ("settings", []),
        ("settings.temperature", "hot"),
        ("settings.temperature", float("nan")),
        ("settings.json_mode", "xml"),
        ("settings.tools", [{"description": "no name"}]),
        ("settings.json_schema", {"x": "x" * 300_000}),
        ("messages.0.role", "system"),
        ("messages.0.role", ["user"]),
        ("messages.0.content", None),
        ("messages.0.content", "x" * 4_000_001),
        ("messages.0.attachments", [{"name": "no text"}]),
        ("messages.1.figures", {"prompt_tokens": "many"}),
        ("messages.1.tool_calls", [{"id": 1}]),
        ("messages.0.parent_id", "nowhere"),
        ("messages.0.parent_id", {"$ne": None}),
        ("messages.1.status", "hacked"),
        ("created_at", "yesterday"),
    ],
)
def test_a_chat_that_is_not_right_is_skipped_whole(
    workspace: Workspace, ada: User, archive: dict[str, Any], path: str, value: Any
) -> None:
    hostile = set_at(archive, path, value)
    hostile["chats"].append(archive["chats"][0])
    result = workspace.chats.import_(ada.id, hostile)
    assert result.imported == 1
    assert len(result.skipped) == 1
    assert "\n" not in result.skipped[0].reason
    assert len(workspace.chats.export(ada.id)["chats"]) == 1


def test_circles_and_twins_are_refused(workspace: Workspace, ada: User, archive: dict[str, Any]) -> None:
    ids = [message["id"] for message in archive["chats"][0]["messages"]]
    circle = set_at(archive, "messages.0.parent_id", ids[1])
    assert "circle" in workspace.chats.import_(ada.id, circle).skipped[0].reason
    itself = set_at(archive, "messages.0.parent_id", ids[0])
    assert "circle" in workspace.chats.import_(ada.id, itself).skipped[0].reason
    twins = set_at(archive, "messages.1.id", ids[0])
    assert "same id" in workspace.chats.import_(ada.id, twins).skipped[0].reason


@pytest.mark.parametrize(
    "nonsense",
    [None, 7, [], {}, {"format": "sevenb-chats"}, {"format": "sevenb-chats", "version": 1, "chats": {}},
     {"format": "sevenb-chats", "version": 2, "chats": []},
     {"format": "sevenb-chats", "version": "x" * 99, "chats": []},
     {"format": "sevenb-chats", "version": 1, "chats": [None] * 50_001}],
)  # fmt: skip
def test_what_is_no_archive_is_refused(workspace: Workspace, ada: User, nonsense: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        workspace.chats.import_(ada.id, nonsense)
    assert len(str(refused.value)) < 200


def test_strange_times_figures_folders_and_leaves_do_no_harm(
    workspace: Workspace, ada: User, archive: dict[str, Any]
) -> None:
    chat = archive["chats"][0]
    chat |= {"updated_at": 1e300, "created_at": -5, "leaf_id": "nowhere", "folder_id": "nowhere", "unknown": {"a": [1]}}
    chat["messages"][0]["created_at"] = float("inf")
    chat["messages"][1]["figures"]["ttft"] = float("nan")
    chat["messages"][2]["status"] = "running"
    archive["folders"] = [7, {"id": [], "name": "x"}, {"id": "a"}, {"id": "b", "name": "\n"}]
    assert workspace.chats.import_(ada.id, archive).skipped == []
    (kept,) = workspace.chats.export(ada.id)["chats"]
    assert kept["updated_at"] <= time.time()
    assert kept["created_at"] > 0
    assert kept["leaf_id"] == kept["messages"][-1]["id"]
    assert kept["messages"][1]["figures"] is None
    assert kept["messages"][2]["status"] == "interrupted"
    json.dumps(kept, allow_nan=False)


def test_a_child_may_stand_before_its_parent(workspace: Workspace, ada: User, archive: dict[str, Any]) -> None:
    archive["chats"][0]["messages"].reverse()
    assert workspace.chats.import_(ada.id, archive).imported == 1
    seen: set[str | None] = {None}
    for message in workspace.chats.export(ada.id)["chats"][0]["messages"]:
        assert message["parent_id"] in seen
        seen.add(message["id"])


def test_the_deepest_nesting_is_refused_not_crashed_on(
    workspace: Workspace, ada: User, archive: dict[str, Any]
) -> None:
    deep: Any = []
    for _ in range(900):
        deep = {"a": deep}
    result = workspace.chats.import_(ada.id, set_at(archive, "settings.json_schema", deep))
    assert result.imported == 0
    assert len(result.skipped) == 1


def test_comparisons_are_not_part_of_the_history(workspace: Workspace, bob: User, archive: dict[str, Any]) -> None:
    from sevenb.workspace import NewComparisonEntry

    made = workspace.comparisons.create(bob.id, [NewComparisonEntry("", "a"), NewComparisonEntry("", "b")])
    assert len(workspace.chats.export(bob.id)["chats"]) == 1
    assert len(workspace.chats.export(bob.id, [made.entries[0].chat_id])["chats"]) == 1
