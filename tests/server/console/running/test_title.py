"""The title that a chat gets by itself."""

import pytest

from sevenb.server.console.running.title import MAX_TITLE, title_of
from sevenb.workspace.records import Attachment


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("How are you?", "How are you?"),
        ("\n\n  ## **Plan** for\tMonday \nand more", "Plan for Monday"),
        ("```\nprint(1)", "print(1)"),
        ("写一首关于秋天的诗", "写一首关于秋天的诗"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("?!", ""),
        ("", ""),
    ],
)
def test_the_first_line_that_says_something_is_the_title(text: str, title: str) -> None:
    assert title_of(text) == title


def test_a_long_line_is_cut_at_a_word() -> None:
    title = title_of("one two three, " * 20)
    assert len(title) <= MAX_TITLE
    assert title.removesuffix("…").split(" ")[-1] in ("one", "two", "three")


def test_a_line_without_spaces_is_cut_where_it_is_full() -> None:
    assert title_of("秋" * 200) == "秋" * (MAX_TITLE - 1) + "…"


def test_a_message_of_files_alone_is_called_after_the_first() -> None:
    assert title_of("", [Attachment("report.txt", "x")]) == "report.txt"
