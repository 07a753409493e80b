"""Several servers on one database, and what one that was killed leaves behind."""

import multiprocessing
import os
import signal

from sevenb.workspace import NewMessage, User, Workspace

RUNNING = NewMessage(role="assistant", content="half an ans", status="running")


def _serve(url: str, user_id: str, chat_id: str, ready: "multiprocessing.synchronize.Event") -> None:
    """A server that writes an answer and never ends it."""
    workspace = Workspace.open(url)
    workspace.presence.begin()
    workspace.chats.add_message(user_id, chat_id, RUNNING)
    ready.set()
    signal.pause()


def statuses(workspace: Workspace, user: User, chat_id: str) -> list[str]:
    return [message.status for message in workspace.chats.get(user.id, chat_id).messages]


def test_a_start_leaves_the_running_answers_of_other_servers_alone(workspace: Workspace, url: str, ada: User) -> None:
    workspace.presence.begin()
    chat = workspace.chats.create(ada.id)
    workspace.chats.add_message(ada.id, chat.id, RUNNING)
    other = Workspace.open(url)
    other.presence.begin()
    assert other.chats.interrupt_running() == 0
    assert workspace.chats.interrupt_running() == 0  # nor does one take its own for left
    assert statuses(workspace, ada, chat.id) == ["running"]
    other.close()


def test_what_a_closed_server_left_running_is_interrupted(workspace: Workspace, url: str, ada: User) -> None:
    other = Workspace.open(url)
    other.presence.begin()
    chat = workspace.chats.create(ada.id)
    other.chats.add_message(ada.id, chat.id, RUNNING)
    other.close()
    assert workspace.chats.interrupt_running() == 1
    assert statuses(workspace, ada, chat.id) == ["interrupted"]


def test_a_killed_server_is_known_to_be_gone_at_once(workspace: Workspace, url: str, ada: User) -> None:
    chat = workspace.chats.create(ada.id)
    spawn = multiprocessing.get_context("spawn")
    ready = spawn.Event()
    server = spawn.Process(target=_serve, args=(url, ada.id, chat.id, ready))
    server.start()
    assert ready.wait(50)
    workspace.presence.begin()
    assert workspace.chats.interrupt_running() == 0
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.join()
    while not workspace.chats.interrupt_running():  # PostgreSQL sees a moment later that its client is gone
        assert statuses(workspace, ada, chat.id) == ["running"]
    assert statuses(workspace, ada, chat.id) == ["interrupted"]
