"""Accounts: names, passwords, roles, the last administrator, the local user."""

import contextlib
import threading

import pytest
from argon2 import PasswordHasher
from sqlalchemy import text

from sevenb.errors import Conflict, InvalidRequest, NotFound
from sevenb.workspace import NewComparisonEntry, NewMessage, User, Workspace


def test_who_gives_the_right_name_and_password_is_let_in(workspace: Workspace, ada: User) -> None:
    signed_in = workspace.users.authenticate("ada", "correct horse")
    assert signed_in is not None
    assert signed_in.id == ada.id
    assert signed_in.last_login_at is not None
    assert workspace.users.authenticate("ADA", "Correct horse") is None
    assert workspace.users.authenticate("Adam", "correct horse") is None
    assert workspace.users.authenticate("", "") is None
    assert workspace.users.check_password(ada.id, "correct horse")
    assert not workspace.users.check_password(ada.id, "wrong horse")


def test_a_password_is_the_same_however_its_characters_were_composed(workspace: Workspace) -> None:
    workspace.users.create("Zoë", "na\u00efve caf\u00e9")
    assert workspace.users.authenticate("Zoe\u0308", "nai\u0308ve cafe\u0301") is not None


@pytest.mark.real_hashes
def test_passwords_are_kept_as_hashes_that_take_time_and_memory(workspace: Workspace, ada: User) -> None:
    with workspace._database.read() as connection:
        row = connection.execute(text("SELECT * FROM users")).mappings().one()
    assert row["password_hash"].startswith("$argon2id$v=19$m=65536,t=3,")
    assert "correct horse" not in str(dict(row))


def test_a_hash_of_weaker_parameters_is_renewed_at_the_next_sign_in(workspace: Workspace, ada: User) -> None:
    weak = PasswordHasher(time_cost=1, memory_cost=16, parallelism=1).hash("correct horse")
    with workspace._database.write() as connection:
        connection.execute(text("UPDATE users SET password_hash = :weak"), {"weak": weak})
    assert workspace.users.authenticate("Ada", "correct horse")
    with workspace._database.read() as connection:
        renewed = connection.execute(text("SELECT password_hash FROM users")).scalar_one()
    assert renewed != weak
    assert workspace.users.authenticate("Ada", "correct horse")


def test_a_damaged_hash_lets_nobody_in(workspace: Workspace, ada: User) -> None:
    with workspace._database.write() as connection:
        connection.execute(text("UPDATE users SET password_hash = 'x'"))
    assert workspace.users.authenticate("Ada", "correct horse") is None


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1001])
def test_passwords_have_8_to_1000_characters(workspace: Workspace, password: str) -> None:
    with pytest.raises(InvalidRequest, match="8 to 1000"):
        workspace.users.create("Eve", password)
    assert workspace.users.count() == 0


@pytest.mark.parametrize("name", ["", "  ", "x" * 65, "a\nb", "a\0b", "\u202egnp.exe", "\x1b[31m"])
def test_names_are_short_and_printable(workspace: Workspace, name: str) -> None:
    with pytest.raises(InvalidRequest, match="1 to 64"):
        workspace.users.create(name, "correct horse")


@pytest.mark.parametrize("twin", ["ada", "ADA", " Ada ", "Ａｄａ"])
def test_names_are_unique_without_regard_to_case_and_width(workspace: Workspace, ada: User, twin: str) -> None:
    with pytest.raises(Conflict, match="already"):
        workspace.users.create(twin, "correct horse")
    found = workspace.users.find(twin)
    assert found is not None
    assert found.id == ada.id


def test_a_user_is_renamed_promoted_and_disabled(workspace: Workspace, ada: User, bob: User) -> None:
    assert workspace.users.update(bob.id, name="Robert", role="admin").name == "Robert"
    assert workspace.users.find("bob") is None
    with pytest.raises(Conflict):
        workspace.users.update(bob.id, name="ADA")
    assert workspace.users.update(bob.id, name="ROBERT").name == "ROBERT"
    token, _ = workspace.sessions.create(bob.id)
    assert workspace.users.update(bob.id, disabled=True).disabled
    assert workspace.users.authenticate("Robert", "battery staple") is None
    assert workspace.sessions.find(token) is None
    workspace.users.update(bob.id, disabled=False)
    assert workspace.users.authenticate("Robert", "battery staple") is not None
    assert workspace.sessions.find(token) is None
    assert [user.name for user in workspace.users.list()] == ["Ada", "ROBERT"]
    with pytest.raises(InvalidRequest, match="role"):
        workspace.users.update(bob.id, role="root")  # type: ignore[arg-type]


def test_a_new_password_takes_the_place_of_the_old_one(workspace: Workspace, ada: User) -> None:
    workspace.users.set_password(ada.id, "staple battery")
    assert workspace.users.authenticate("Ada", "correct horse") is None
    assert workspace.users.authenticate("Ada", "staple battery") is not None


def test_the_last_administrator_stays(workspace: Workspace, ada: User, bob: User) -> None:
    for change in (
        lambda: workspace.users.delete(ada.id),
        lambda: workspace.users.update(ada.id, role="user"),
        lambda: workspace.users.update(ada.id, disabled=True),
    ):
        with pytest.raises(Conflict, match="last administrator"):
            change()
    workspace.users.update(bob.id, role="admin", disabled=False)
    workspace.users.update(ada.id, role="user")
    workspace.users.delete(ada.id)
    with pytest.raises(NotFound):
        workspace.users.get(ada.id)


def test_two_administrators_cannot_demote_each_other_at_once(workspace: Workspace) -> None:
    for round_ in range(5):
        pair = [workspace.users.create(f"{name}{round_}", "correct horse", "admin") for name in "xy"]
        for other in workspace.users.list():
            if other.is_admin and other not in pair:
                workspace.users.update(other.id, role="user")
        together = threading.Barrier(2)

        def demote(user: User, together: threading.Barrier = together) -> None:
            together.wait()
            with contextlib.suppress(Conflict):
                workspace.users.update(user.id, role="user")

        threads = [threading.Thread(target=demote, args=(user,)) for user in pair]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(user.is_admin for user in workspace.users.list()) == 1


def test_only_one_of_many_becomes_the_first_administrator(workspace: Workspace) -> None:
    made, refused = [], []
    together = threading.Barrier(4)

    def set_up(number: int) -> None:
        together.wait()
        try:
            made.append(workspace.users.create_first(f"First {number}", "correct horse"))
        except Conflict as error:
            refused.append(error)

    threads = [threading.Thread(target=set_up, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(made), len(refused)) == (1, 3)
    assert workspace.users.list() == made


def test_the_local_user_is_made_once_and_is_no_account(workspace: Workspace) -> None:
    found: list[User] = []
    threads = [threading.Thread(target=lambda: found.append(workspace.users.local())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    local = found[0]
    assert local.local
    assert local.is_admin
    assert workspace.users.count() == 0
    assert workspace.users.list() == []
    assert workspace.users.find("local") is None
    assert workspace.users.authenticate("local", "") is None
    assert workspace.users.create("local", "correct horse").id != local.id
    with pytest.raises(Conflict):
        workspace.users.set_password(local.id, "correct horse")
    with pytest.raises(Conflict):
        workspace.users.delete(local.id)


def test_the_first_administrator_inherits_what_the_local_user_has(workspace: Workspace) -> None:
    local = workspace.users.local()
    folder = workspace.folders.create(local.id, "Work")
    workspace.personas.create(local.id, "Pirate", "Arr.")
    chat = workspace.chats.create(local.id, title="Old times", folder_id=folder.id)
    workspace.chats.add_message(local.id, chat.id, NewMessage("user", "Ahoy there"))
    workspace.comparisons.create(local.id, [NewComparisonEntry("", "a"), NewComparisonEntry("", "b")])
    first = workspace.users.create_first("Ada", "correct horse")
    assert workspace.chats.get(first.id, chat.id).messages[0].content == "Ahoy there"
    assert [found.name for found in workspace.folders.list(first.id)] == ["Work"]
    assert [found.name for found in workspace.personas.list(first.id)] == ["Pirate"]
    assert len(workspace.comparisons.list(first.id)) == 1
    assert [hit.chat.id for hit in workspace.chats.search(first.id, "ahoy")] == [chat.id]
    assert workspace.chats.list(local.id) == ([], None)
    workspace.folders.create(local.id, "Work")
    workspace.users.adopt_local(first.id)
    assert len(workspace.folders.list(first.id)) == 2


def test_a_deleted_user_leaves_nothing(workspace: Workspace, ada: User, bob: User) -> None:
    chat = workspace.chats.create(bob.id, title="Secret plans")
    workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "The treasure is buried"))
    workspace.folders.create(bob.id, "Mine")
    workspace.keys.create(bob.id, "laptop")
    workspace.sessions.create(bob.id)
    workspace.usage.record(bob.id, None, "m", 1, 0, 1)
    workspace.comparisons.create(bob.id, [NewComparisonEntry("", "a"), NewComparisonEntry("", "b")])
    workspace.users.delete(bob.id)
    with workspace._database.read() as connection:
        for table in ("chats", "messages", "search_entries", "folders", "keys", "sessions", "comparisons", "usage"):
            assert connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() == 0, table
        if workspace._database.is_sqlite:
            found = text("SELECT count(*) FROM search_terms WHERE search_terms MATCH 'treasure'")
            assert connection.execute(found).scalar_one() == 0


def test_preferences_are_merged(workspace: Workspace, ada: User) -> None:
    assert workspace.users.preferences(ada.id) == {}
    workspace.users.set_preferences(ada.id, {"language": "zh", "default_settings": {"temperature": 0.5}})
    assert workspace.users.set_preferences(ada.id, {"theme": "dark", "language": None}) == {
        "theme": "dark",
        "default_settings": {"temperature": 0.5},
    }
    with pytest.raises(InvalidRequest, match="at most"):
        workspace.users.set_preferences(ada.id, {"x": "x" * 300_000})
    with pytest.raises(NotFound):
        workspace.users.preferences("nobody")


def test_an_unknown_name_costs_as_many_hashes_as_a_wrong_password(
    workspace: Workspace, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sevenb.workspace import passwords

    workspace.users.authenticate("warm", "up")
    checks: list[str] = []
    verify = passwords._hasher.verify

    class Counting:
        def verify(self, kept: str, password: str) -> bool:
            checks.append(kept.rsplit("$", 2)[0])
            return verify(kept, password)

    monkeypatch.setattr(passwords, "_hasher", Counting())
    workspace.users.authenticate("Ada", "wrong horse")
    workspace.users.authenticate("Nobody", "wrong horse")
    assert len(checks) == 2
    assert checks[0] == checks[1]  # the same parameters
