"""`Scenario`: work as people give it to a model, in one or several requests, and what an answer must be to count."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from sevenb.lab.results import Check

Words = dict[str, str]  # by language: "en", "zh"
Message = dict[str, str]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """One request. ``check`` is a pure function of the answer's text.

    ``follows``: the messages come after those of the ask before and its answer. ``extras``: parameters that not every
    server knows; one that refuses them leaves this ask out.
    """

    key: str
    title: Words
    messages: tuple[Message, ...]
    check: Callable[[str], list[Check]]
    max_tokens: int
    follows: bool = False
    extras: Mapping[str, Any] = {}


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """Several asks under one title. ``long_words``: words of a text too long for many a context, 0 if there is none."""

    key: str
    title: Words
    asks: tuple[Ask, ...]
    long_words: int = 0


def user(text: str) -> Message:
    """A message of the user."""
    return {"role": "user", "content": text}


def system(text: str) -> Message:
    """A message of the system."""
    return {"role": "system", "content": text}
