"""Chats: pages of the history, the tree of messages, what is whose."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import (
    Attachment,
    Chat,
    Figures,
    Message,
    NewComparisonEntry,
    NewMessage,
    Problem,
    ToolCall,
    User,
    Workspace,
)


@pytest.fixture
def chat(workspace: Workspace, bob: User) -> Chat:
    return workspace.chats.create(bob.id, model="qwen", settings={"temperature": 0.5})


def test_a_chat_comes_back_as_it_was_kept(workspace: Workspace, bob: User, chat: Chat) -> None:
    call = ToolCall("c1", "add", '{"a": 1}')
    kept = workspace.chats.add_messages(
        bob.id,
        chat.id,
        [
            NewMessage("user", "Hello 你好 🎈", attachments=[Attachment("a.txt", "text")]),
            NewMessage("assistant", "", tool_calls=[call], model="qwen", finish_reason="tool_calls", valid=True),
            NewMessage("tool", "3", tool_call_id="c1"),
            NewMessage(
                "assistant", "It", status="failed", error=Problem("Full.", "full"), figures=Figures(1, 0, 2, 0.5)
            ),
        ],
    )
    found = workspace.chats.get(bob.id, chat.id)
    assert found.messages == kept
    assert [message.parent_id for message in kept] == [None, *(message.id for message in kept[:3])]
    assert kept[0].attachments == (Attachment("a.txt", "text"),)
    assert kept[1].tool_calls == (call,)
    assert kept[3].error == Problem("Full.", "full")
    assert found.leaf_id == kept[-1].id
    assert found.settings == {"temperature": 0.5}
    assert found.model == "qwen"
    assert workspace.chats.get_message(bob.id, kept[1].id) == kept[1]


@pytest.mark.parametrize("hostile", ["a\0b", "\ud800", "\x02\x03", "'; DROP TABLE users; --", "%s {} \\", "🏴" * 10])
def test_any_text_can_be_kept(workspace: Workspace, bob: User, chat: Chat, hostile: str) -> None:
    attachment = Attachment(hostile, hostile)
    kept = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", hostile, attachments=[attachment]))
    workspace.chats.update(bob.id, chat.id, title=hostile, settings={"system": hostile, hostile: [hostile]})
    found = workspace.chats.get(bob.id, chat.id)
    assert found.messages == [kept]
    assert kept.content == hostile.replace("\0", "\ufffd").replace("\ud800", "?")
    assert found.settings["system"] == kept.content


def test_the_history_comes_in_pages_pinned_ones_first(workspace: Workspace, bob: User) -> None:
    chats = [workspace.chats.create(bob.id, title=str(number)) for number in range(7)]
    workspace.chats.update(bob.id, chats[2].id, pinned=True)
    workspace.chats.update(bob.id, chats[4].id, pinned=True)
    workspace.chats.add_message(bob.id, chats[0].id, NewMessage("user", "new"))
    workspace.comparisons.create(bob.id, [NewComparisonEntry("", "a"), NewComparisonEntry("", "b")])
    titles: list[str] = []
    cursor = None
    for _ in range(4):
        page, cursor = workspace.chats.list(bob.id, cursor=cursor, limit=2)
        titles += [summary.title for summary in page]
    assert cursor is None
    assert titles == ["4", "2", "0", "6", "5", "3", "1"]
    with pytest.raises(InvalidRequest, match="cursor"):
        workspace.chats.list(bob.id, cursor="x")


def test_renaming_pinning_and_moving_leave_a_chat_where_it_is_in_time(
    workspace: Workspace, bob: User, chat: Chat
) -> None:
    folder = workspace.folders.create(bob.id, "Work")
    changed = workspace.chats.update(bob.id, chat.id, title=" A\n title ", pinned=True, folder_id=folder.id, model="b")
    assert changed.updated_at == chat.updated_at
    assert (changed.title, changed.titled, changed.folder_id, changed.model) == ("A title", True, folder.id, "b")
    assert workspace.chats.update(bob.id, chat.id, title="Made", titled=False).titled is False
    assert workspace.chats.update(bob.id, chat.id, folder_id=None).folder_id is None


def test_folders_hold_chats_and_let_them_go(workspace: Workspace, bob: User, ada: User, chat: Chat) -> None:
    folder = workspace.folders.create(bob.id, "Work")
    workspace.chats.update(bob.id, chat.id, folder_id=folder.id)
    other = workspace.chats.create(bob.id)
    assert [found.id for found in workspace.chats.list(bob.id, folder=folder.id)[0]] == [chat.id]
    assert [found.id for found in workspace.chats.list(bob.id, folder="none")[0]] == [other.id]
    assert workspace.folders.list(bob.id)[0].chats == 1
    assert workspace.folders.update(bob.id, folder.id, name="Play").name == "Play"
    hers = workspace.folders.create(ada.id, "Hers")
    with pytest.raises(NotFound):
        workspace.chats.update(bob.id, chat.id, folder_id=hers.id)
    with pytest.raises(NotFound):
        workspace.chats.create(bob.id, folder_id=hers.id)
    workspace.folders.delete(bob.id, folder.id)
    assert workspace.chats.summary(bob.id, chat.id).folder_id is None


def test_branches_are_deleted_with_all_that_follows(workspace: Workspace, bob: User, chat: Chat) -> None:
    first, second = workspace.chats.add_messages(
        bob.id, chat.id, [NewMessage("user", "1"), NewMessage("assistant", "2")]
    )
    other = workspace.chats.add_message(bob.id, chat.id, NewMessage("assistant", "2b", parent_id=first.id))
    below = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "3b", parent_id=other.id))
    assert workspace.chats.get(bob.id, chat.id).leaf_id == below.id
    workspace.chats.delete_message(bob.id, other.id)
    found = workspace.chats.get(bob.id, chat.id)
    assert [message.id for message in found.messages] == [first.id, second.id]
    assert found.leaf_id == second.id
    workspace.chats.delete_message(bob.id, second.id)
    assert workspace.chats.get(bob.id, chat.id).leaf_id == first.id
    workspace.chats.delete_message(bob.id, first.id)
    assert workspace.chats.get(bob.id, chat.id).leaf_id is None
    with pytest.raises(NotFound):
        workspace.chats.update_message(bob.id, below.id, content="late")


def test_a_chain_of_thousands_of_messages_is_deleted(workspace: Workspace, bob: User, chat: Chat) -> None:
    kept = workspace.chats.add_messages(bob.id, chat.id, [NewMessage("user", str(number)) for number in range(3000)])
    workspace.chats.delete_message(bob.id, kept[1].id)
    assert workspace.chats.get(bob.id, chat.id).messages == kept[:1]


def test_messages_follow_only_messages_of_their_chat(workspace: Workspace, bob: User, chat: Chat) -> None:
    other = workspace.chats.create(bob.id)
    message = workspace.chats.add_message(bob.id, other.id, NewMessage("user", "x"))
    with pytest.raises(NotFound):
        workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "y", parent_id=message.id))
    with pytest.raises(NotFound):
        workspace.chats.update(bob.id, chat.id, leaf_id=message.id)
    assert workspace.chats.get(bob.id, chat.id).messages == []


def test_a_deleted_chat_is_gone_until_it_is_restored(workspace: Workspace, bob: User, chat: Chat) -> None:
    message = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "treasure"))
    workspace.chats.delete(bob.id, chat.id)
    assert workspace.chats.list(bob.id) == ([], None)
    assert workspace.chats.search(bob.id, "treasure") == []
    for use in (
        lambda: workspace.chats.get(bob.id, chat.id),
        lambda: workspace.chats.delete(bob.id, chat.id),
        lambda: workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "x")),
        lambda: workspace.chats.get_message(bob.id, message.id),
        lambda: workspace.chats.export(bob.id, [chat.id]),
    ):
        with pytest.raises(NotFound):
            use()
    assert workspace.chats.purge(60) == 0
    assert workspace.chats.restore(bob.id, chat.id).id == chat.id
    assert len(workspace.chats.search(bob.id, "treasure")) == 1
    workspace.chats.delete(bob.id, chat.id)
    assert workspace.chats.purge(0) == 1
    with pytest.raises(NotFound):
        workspace.chats.restore(bob.id, chat.id)
    with workspace._database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM messages")).scalar_one() == 0


def test_what_a_killed_server_left_running_is_interrupted_and_found(
    workspace: Workspace, bob: User, chat: Chat
) -> None:
    running = workspace.chats.add_message(bob.id, chat.id, NewMessage("assistant", status="running"))
    workspace.chats.update_message(bob.id, running.id, content="Half an ans")
    assert workspace.chats.search(bob.id, "half") == []
    assert workspace.chats.interrupt_running() == 1
    found = workspace.chats.get_message(bob.id, running.id)
    assert (found.status, found.content) == ("interrupted", "Half an ans")
    assert [hit.message_id for hit in workspace.chats.search(bob.id, "half")] == [running.id]
    assert workspace.chats.interrupt_running() == 0


def test_an_answer_that_ends_makes_its_chat_the_newest(workspace: Workspace, bob: User, chat: Chat) -> None:
    message = workspace.chats.add_message(bob.id, chat.id, NewMessage("assistant", status="running"))
    other = workspace.chats.create(bob.id)
    workspace.chats.update_message(bob.id, message.id, content="partly")
    assert workspace.chats.list(bob.id)[0][0].id == other.id
    workspace.chats.update_message(bob.id, message.id, status="complete", figures=Figures(1, 0, 1, 0.1, None))
    assert workspace.chats.list(bob.id)[0][0].id == chat.id


def test_anothers_things_are_not_there(workspace: Workspace, ada: User, bob: User, chat: Chat) -> None:
    message = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "secret"))
    folder = workspace.folders.create(bob.id, "Mine")
    persona = workspace.personas.create(bob.id, "Me")
    _, session = workspace.sessions.create(bob.id)
    _, key = workspace.keys.create(bob.id, "key")
    stranger = ada.id
    uses: list[Callable[[], Any]] = [
        lambda: workspace.chats.get(stranger, chat.id),
        lambda: workspace.chats.summary(stranger, chat.id),
        lambda: workspace.chats.update(stranger, chat.id, title="x"),
        lambda: workspace.chats.delete(stranger, chat.id),
        lambda: workspace.chats.restore(stranger, chat.id),
        lambda: workspace.chats.add_message(stranger, chat.id, NewMessage("user", "x")),
        lambda: workspace.chats.get_message(stranger, message.id),
        lambda: workspace.chats.update_message(stranger, message.id, content="x"),
        lambda: workspace.chats.delete_message(stranger, message.id),
        lambda: workspace.chats.export(stranger, [chat.id]),
        lambda: workspace.folders.update(stranger, folder.id, name="x"),
        lambda: workspace.folders.delete(stranger, folder.id),
        lambda: workspace.personas.update(stranger, persona.id, name="x"),
        lambda: workspace.personas.delete(stranger, persona.id),
        lambda: workspace.sessions.revoke(stranger, session.id),
        lambda: workspace.keys.revoke(stranger, key.id),
    ]
    for use in uses:
        with pytest.raises(NotFound) as theirs:
            use()
        assert "no such" in str(theirs.value)
    assert workspace.chats.list(stranger) == ([], None)
    assert workspace.chats.search(stranger, "secret") == []
    assert workspace.chats.export(stranger)["chats"] == []
    assert workspace.folders.list(stranger) == workspace.personas.list(stranger) == []
    assert workspace.chats.get(bob.id, chat.id).messages == [message]


def test_what_is_too_large_is_refused_and_nothing_kept(workspace: Workspace, bob: User, chat: Chat) -> None:
    for huge in (
        NewMessage("user", "x" * 4_000_001),
        NewMessage("user", attachments=[Attachment("a", "x" * 2_000_001)] * 2),
        NewMessage("user", attachments=[Attachment("a", "")] * 201),
    ):
        with pytest.raises(InvalidRequest, match="at most"):
            workspace.chats.add_messages(bob.id, chat.id, [NewMessage("user", "fine"), huge])
    deep: dict[str, Any] = {}
    for _ in range(5000):
        deep = {"a": deep}
    for settings in (deep, {"a": float("nan")}, {"a": 2**70}, {"a": object()}, {"a": "x" * 300_000}):
        with pytest.raises(InvalidRequest):
            workspace.chats.update(bob.id, chat.id, settings=settings)
    assert workspace.chats.get(bob.id, chat.id).messages == []


def test_many_threads_write_one_chat_and_nothing_is_lost(workspace: Workspace, bob: User, chat: Chat) -> None:
    root = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "root"))
    errors: list[BaseException] = []

    def write(number: int) -> None:
        try:
            for step in range(10):
                kept = workspace.chats.add_message(
                    bob.id, chat.id, NewMessage("assistant", parent_id=root.id, status="running")
                )
                workspace.chats.update_message(bob.id, kept.id, content=f"{number}.{step}", status="complete")
                workspace.usage.record(bob.id, None, "m", 1, 0, 1)
                assert workspace.chats.get(bob.id, chat.id).messages
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    found: list[Message] = list(workspace.chats.get(bob.id, chat.id).messages)
    assert {message.content for message in found[1:]} == {f"{a}.{b}" for a in range(8) for b in range(10)}
    assert workspace.usage.by_day(since_day="2000-01-01")[0].requests == 80
