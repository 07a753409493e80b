"""The title that a chat gets from its first message."""

import re
from collections.abc import Sequence

from sevenb.workspace.records import Attachment

MAX_TITLE = 60  # characters

_MARKUP = re.compile(r"^[#>*\-\s]+|\*{2,}|_{2,}|`+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]+")


def title_of(text: str, attachments: Sequence[Attachment] = ()) -> str:
    """The first line that says something, cut at a word; without text the name of the first file."""
    for line in [*text[:10_000].splitlines(), *(attachment.name for attachment in attachments)]:
        title = " ".join(_CONTROL.sub(" ", _MARKUP.sub("", line)).split())
        if any(character.isalnum() for character in title):
            return _cut(title)
    return ""


def _cut(title: str) -> str:
    if len(title) <= MAX_TITLE:
        return title
    start = title[: MAX_TITLE - 1]
    head, space, _ = start.rpartition(" ")
    # Chinese has no spaces between words, and a first word may be longer than a title.
    return (head if space and len(head) > MAX_TITLE // 2 else start).rstrip(" ,.;:，。；：、") + "…"
