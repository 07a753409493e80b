"""Search: Chinese and English, beginnings of words, what must not be found, and whatever people type."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.workspace import Attachment, NewMessage, User, Workspace
from sevenb.workspace.snippets import snippet_of
from sevenb.workspace.terms import MAX_BYTES, MAX_TERM, pieces_of, query_of, terms_of

TEXTS = {
    "zh": "机器学习是人工智能的一个分支，它让计算机从数据中学习。",
    "en": "The naïve Bayes classifier isn't HARD to learn; foo_bar() prints 3.14 times.",
    "mixed": "用 Python3 写一个快速排序 quicksort 函数，ＦＵＬＬ width",
    "ja": "カタカナとひらがなのテスト",
    "ko": "한국어를 공부합니다",
    "th": "ภาษาไทยไม่มีช่องว่าง",
    "hi": "हिन्दी भाषा",
}


@pytest.fixture
def texts(workspace: Workspace, bob: User) -> dict[str, str]:
    """The id of each text's chat."""
    ids = {}
    for name, content in TEXTS.items():
        chat = workspace.chats.create(bob.id)
        workspace.chats.add_message(bob.id, chat.id, NewMessage("user", content))
        ids[chat.id] = name
    return ids


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("机器", "zh"),
        ("学习", "zh"),
        ("器学", "zh"),
        ("人工智能的一个分支", "zh"),
        ("机", "zh"),
        ("习", "zh"),
        ("学习 数据", "zh"),
        ("学机", ""),
        ("器机", ""),
        ("机器智能", ""),
        ("机学", ""),
        ("bayes", "en"),
        ("NAÏVE", "en"),
        ("hard learn", "en"),
        ("learn hard", "en"),
        ("classif", "en"),
        ("classif hard", ""),
        ("assifier", ""),
        ("isn't", "en"),
        ("foo_bar", "en"),
        ("3.14", "en"),
        ("python3 排序", "mixed"),
        ("ｐｙｔｈｏｎ", "mixed"),
        ("full", "mixed"),
        ("快速排序quick", "mixed"),
        ("ひらがな", "ja"),
        ("ｶﾀｶﾅ", "ja"),
        ("한국", "ko"),
        ("부합", "ko"),
        ("ไทย", "th"),
        ("हिन्दी", "hi"),
        ("zebra", ""),
        ("", ""),
        ("  ", ""),
        ("，。!?", ""),
    ],
)
def test_texts_are_found(workspace: Workspace, bob: User, texts: dict[str, str], query: str, found: str) -> None:
    assert "".join(texts[hit.chat.id] for hit in workspace.chats.search(bob.id, query)) == found


@pytest.mark.parametrize(
    "hostile",
    ['"', "a AND", "NOT", "NEAR(", "a*", "^a", "-a", "{terms}:", "a:b", "(((", "\\", "& | !", "<->", "a':*", "'' ''",
     "%_", ";DROP TABLE users", "\0", "\ud800", "x" * 10_000, "字" * 10_000, "a " * 5_000, "\ue000", "🎈"],
)  # fmt: skip
def test_no_query_is_a_mistake(workspace: Workspace, bob: User, texts: dict[str, str], hostile: str) -> None:
    workspace.chats.search(bob.id, hostile)


def test_random_queries_are_no_mistake(workspace: Workspace, bob: User, texts: dict[str, str]) -> None:
    generator = random.Random(5)
    alphabet = "ab字\"'\\():*^&|!<-> \t\n\x01\x7f\u0300\u200d\ue001\U0001f600"
    for _ in range(200):
        workspace.chats.search(bob.id, "".join(generator.choices(alphabet, k=generator.randrange(1, 12))))


def test_words_are_marked_in_a_snippet_around_them(workspace: Workspace, bob: User) -> None:
    chat = workspace.chats.create(bob.id)
    content = "padding " * 50 + "then the Machine\n\nlearning 机器学习 begins " + "padding " * 50
    workspace.chats.add_message(bob.id, chat.id, NewMessage("assistant", content + "\x02evil\x03"))
    (hit,) = workspace.chats.search(bob.id, "machine learning 机器")
    assert hit.role == "assistant"
    assert "then the \x02Machine\x03 \x02learning\x03 \x02机器\x03学习 begins" in hit.snippet
    assert hit.snippet.startswith("…")
    assert hit.snippet.endswith("…")
    assert len(hit.snippet) < 230
    (hit,) = workspace.chats.search(bob.id, "evil")
    assert hit.snippet.count("\x02") == hit.snippet.count("\x03") == 1


def test_titles_come_first_then_words_as_typed_then_the_newest(workspace: Workspace, bob: User) -> None:
    titled = workspace.chats.create(bob.id, title="Sorting fast")
    exact, old, new = (workspace.chats.create(bob.id, title=title) for title in ("exact", "old", "new"))
    for chat, content in ((exact, "fast sorting"), (old, "sorting is fast"), (new, "sorting, then fast")):
        workspace.chats.add_message(bob.id, chat.id, NewMessage("user", content))
    hits = workspace.chats.search(bob.id, "fast sorting")
    assert [hit.chat.title for hit in hits] == ["Sorting fast", "exact", "new", "old"]
    assert hits[0].message_id is None
    assert hits[0].chat.id == titled.id


def test_a_new_title_takes_the_place_of_the_old_one(workspace: Workspace, bob: User) -> None:
    chat = workspace.chats.create(bob.id, title="春天")
    workspace.chats.update(bob.id, chat.id, title="夏天")
    assert workspace.chats.search(bob.id, "春天") == []
    assert len(workspace.chats.search(bob.id, "夏天")) == 1
    workspace.chats.update(bob.id, chat.id, title="")
    assert workspace.chats.search(bob.id, "夏天") == []


def test_changed_and_deleted_messages_are_not_found_by_what_they_said(workspace: Workspace, bob: User) -> None:
    chat = workspace.chats.create(bob.id)
    first, second = workspace.chats.add_messages(
        bob.id, chat.id, [NewMessage("user", "apple"), NewMessage("user", "pear")]
    )
    workspace.chats.update_message(bob.id, first.id, content="plum")
    assert workspace.chats.search(bob.id, "apple") == []
    assert [hit.message_id for hit in workspace.chats.search(bob.id, "plum")] == [first.id]
    workspace.chats.delete_message(bob.id, second.id)
    assert workspace.chats.search(bob.id, "pear") == []


def test_one_long_chat_does_not_hide_the_others(workspace: Workspace, bob: User) -> None:
    quiet = workspace.chats.create(bob.id)
    workspace.chats.add_message(bob.id, quiet.id, NewMessage("user", "a rare pearl"))
    loud = workspace.chats.create(bob.id)
    workspace.chats.add_messages(bob.id, loud.id, [NewMessage("user", f"pearl {number}") for number in range(250)])
    hits = workspace.chats.search(bob.id, "pearl", limit=10)
    assert [hit.chat.id for hit in hits] == [loud.id] * 3 + [quiet.id]


def test_names_of_attachments_are_found(workspace: Workspace, bob: User) -> None:
    chat = workspace.chats.create(bob.id)
    file = Attachment("quarterly-report.csv", "1,2,3")
    message = workspace.chats.add_message(bob.id, chat.id, NewMessage("user", "look", attachments=[file]))
    assert [hit.message_id for hit in workspace.chats.search(bob.id, "quarterly")] == [message.id]


def test_very_long_and_very_varied_texts_can_be_kept(workspace: Workspace, bob: User) -> None:
    chat = workspace.chats.create(bob.id)
    generator = random.Random(1)
    varied = "".join(chr(generator.randrange(0x4E00, 0x9FFF)) for _ in range(300_000))
    long = "x" * 300_000
    kept = workspace.chats.add_messages(bob.id, chat.id, [NewMessage("user", varied), NewMessage("user", long)])
    assert [hit.message_id for hit in workspace.chats.search(bob.id, varied[1000:1010])] == [kept[0].id]
    assert sum(len(term.encode()) for term in terms_of(varied)) < MAX_BYTES
    assert terms_of(long) == ["x" * MAX_TERM]


@given(st.text(max_size=60), st.data())
def test_every_piece_of_a_text_finds_it(content: str, data: st.DataObject) -> None:
    terms = set(terms_of(content))
    for piece in pieces_of(content):
        begin = data.draw(st.integers(0, len(piece.text) - 1)) if not piece.spaced else 0
        wanted = query_of(piece.text[begin:])
        assert set(wanted.terms) <= terms
        assert all(any(term.startswith(begun) for term in terms) for begun in wanted.beginnings)
        assert snippet_of(content, wanted.pieces) is not None
