"""Sessions and API keys: told once, stored as hashes, ended in time."""

import time

import pytest
from sqlalchemy import text

from sevenb.errors import InvalidRequest, NotFound
from sevenb.workspace import User, Workspace, keys, sessions


def dump(workspace: Workspace, table: str) -> str:
    with workspace._database.read() as connection:
        return str([tuple(row) for row in connection.execute(text(f"SELECT * FROM {table}"))])


def test_a_token_finds_its_session_and_user(workspace: Workspace, bob: User) -> None:
    token, session = workspace.sessions.create(bob.id, "Firefox\x1b[31m on Debian", "10.0.0.7")
    assert workspace.sessions.find(token) == (session, bob)
    assert session.user_agent == "Firefox [31m on Debian"
    assert workspace.sessions.find(token + "x") is None
    assert workspace.sessions.find("") is None
    assert token not in dump(workspace, "sessions")
    assert len(token) >= 43


def test_an_idle_session_ends(workspace: Workspace, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    token, session = workspace.sessions.create(bob.id)
    begun = session.last_seen_at
    monkeypatch.setattr(sessions, "now", lambda: begun + 29 * 86400)
    found = workspace.sessions.find(token)
    assert found is not None
    assert workspace.sessions.list(bob.id)[0].last_seen_at == begun + 29 * 86400
    monkeypatch.setattr(sessions, "now", lambda: begun + 58 * 86400)
    assert workspace.sessions.find(token) is not None
    monkeypatch.setattr(sessions, "now", lambda: begun + 89 * 86400)
    assert workspace.sessions.find(token) is None
    assert workspace.sessions.list(bob.id) == []
    workspace.sessions.create(bob.id)
    assert session.id not in dump(workspace, "sessions")


def test_being_seen_is_noted_once_a_minute(workspace: Workspace, bob: User, monkeypatch: pytest.MonkeyPatch) -> None:
    token, session = workspace.sessions.create(bob.id)
    monkeypatch.setattr(sessions, "now", lambda: session.created_at + 59)
    workspace.sessions.find(token)
    assert workspace.sessions.list(bob.id)[0].last_seen_at == session.created_at
    monkeypatch.setattr(sessions, "now", lambda: session.created_at + 61)
    workspace.sessions.find(token)
    assert workspace.sessions.list(bob.id)[0].last_seen_at == session.created_at + 61


def test_sessions_are_revoked_one_or_all(workspace: Workspace, bob: User) -> None:
    made = [workspace.sessions.create(bob.id) for _ in range(3)]
    workspace.sessions.revoke(bob.id, made[0][1].id)
    assert workspace.sessions.find(made[0][0]) is None
    with pytest.raises(NotFound):
        workspace.sessions.revoke(bob.id, made[0][1].id)
    workspace.sessions.revoke_all(bob.id, but=made[1][1].id)
    assert [session.id for session in workspace.sessions.list(bob.id)] == [made[1][1].id]
    workspace.sessions.revoke_all(bob.id)
    assert workspace.sessions.list(bob.id) == []
    with pytest.raises(NotFound):
        workspace.sessions.create("nobody")


def test_a_secret_finds_its_key_and_user(workspace: Workspace, bob: User) -> None:
    secret, key = workspace.keys.create(bob.id, "laptop")
    assert secret.startswith("sk-sevenb-")
    assert len(secret) == 53
    assert secret.startswith(key.prefix)
    assert workspace.keys.find(secret) == (key, bob)
    used = workspace.keys.list(bob.id)[0].last_used_at
    assert used is not None
    assert abs(used - time.time()) < 60
    assert workspace.keys.find(secret[:-1]) is None
    assert workspace.keys.find("sk-other") is None
    assert secret not in dump(workspace, "keys")


def test_keys_expire_are_revoked_and_rest_with_their_user(
    workspace: Workspace, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    soon = time.time() + 100
    secret, key = workspace.keys.create(bob.id, "short", expires_at=soon)
    assert workspace.keys.find(secret) is not None
    monkeypatch.setattr(keys, "now", lambda: soon + 1)
    assert workspace.keys.find(secret) is None
    assert workspace.keys.list(bob.id)[0].expires_at == soon
    lasting, _ = workspace.keys.create(bob.id, "lasting")
    workspace.users.update(bob.id, disabled=True)
    assert workspace.keys.find(lasting) is None
    workspace.users.update(bob.id, disabled=False)
    assert workspace.keys.find(lasting) is not None
    workspace.keys.revoke(bob.id, key.id)
    with pytest.raises(NotFound):
        workspace.keys.revoke(bob.id, key.id)
    for expires_at in (0.0, float("nan"), float("inf"), time.time() - 5):
        with pytest.raises(InvalidRequest, match="future"):
            workspace.keys.create(bob.id, "past", expires_at)
    with pytest.raises(InvalidRequest, match="name"):
        workspace.keys.create(bob.id, "\n")
    with pytest.raises(NotFound):
        workspace.keys.create("nobody", "key")
