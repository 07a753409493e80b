"""Values that were made to break something: what no database keeps, and text that takes hours to compare."""

import pytest

from sevenb.errors import Conflict, InvalidRequest, NotFound, SevenbError
from sevenb.workspace import NewMessage, User, Workspace
from sevenb.workspace.values import normal, one_line

ACCENTS = "\u0315\u0300"  # in the wrong order
MANY_ACCENTS = "a" + ACCENTS * 200_000  # a library's normalization takes minutes for it


@pytest.mark.parametrize("id", ["a\0b", "\ud800", "x" * 10_000])
def test_ids_that_cannot_be_are_refused_in_a_sentence(workspace: Workspace, ada: User, id: str) -> None:
    for look in (workspace.chats.get, workspace.chats.delete, workspace.chats.restore, workspace.keys.revoke):
        with pytest.raises((NotFound, InvalidRequest)):
            look(ada.id, id)
    with pytest.raises(SevenbError):
        workspace.chats.create(ada.id, folder_id=id)


def test_a_cursor_holds_a_finite_time(workspace: Workspace, ada: User) -> None:
    for time in ("nan", "inf"):
        with pytest.raises(InvalidRequest):
            workspace.chats.list(ada.id, cursor=f"1~{time}~x")


def test_a_text_of_accents_alone_does_not_keep_the_server(workspace: Workspace, ada: User) -> None:
    chat = workspace.chats.create(ada.id)
    workspace.chats.add_message(ada.id, chat.id, NewMessage(role="user", content=MANY_ACCENTS + " needle"))
    assert workspace.users.authenticate(MANY_ACCENTS, MANY_ACCENTS) is None
    with pytest.raises(InvalidRequest):
        workspace.folders.create(ada.id, MANY_ACCENTS)
    with pytest.raises(InvalidRequest):
        workspace.users.create("eve", MANY_ACCENTS)


@pytest.mark.parametrize(
    "piece", ["e\u0301 ", "\u1112\u1161\u11ab", "\u0938\u094d\u0925\u093f", "ｶﾞ漢字", "q\u0323\u0307"]
)
def test_long_texts_become_what_short_ones_do(piece: str) -> None:
    for shift in range(5):
        text = "x" * shift + piece * 1500
        assert normal("NFC", text) == "x" * shift + normal("NFC", piece) * 1500


def test_emoji_that_are_made_of_several_stay_whole(workspace: Workspace, ada: User) -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    assert one_line(f"Our {family}\u202e\n", 100) == f"Our {family}"
    assert workspace.folders.create(ada.id, family).name == family
    with pytest.raises(InvalidRequest):
        workspace.folders.create(ada.id, "\u200d")  # which nobody could see
    with pytest.raises(InvalidRequest):
        workspace.users.create("ad\u200da", "correct horse")  # looks like another one's name


def test_a_change_of_an_account_happens_whole_or_not_at_all(workspace: Workspace, ada: User, bob: User) -> None:
    with pytest.raises(Conflict):
        workspace.users.update(bob.id, name="Ada", password="another one")
    assert workspace.users.authenticate("Bob", "battery staple") is not None
    with pytest.raises(InvalidRequest):
        workspace.users.update(bob.id, name="Robert", password="short")
    assert workspace.users.get(bob.id).name == "Bob"
    token, _ = workspace.sessions.create(bob.id)
    workspace.users.update(bob.id, password="another one")
    assert workspace.sessions.find(token) is None
