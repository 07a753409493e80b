"""What the self-test's server plays: answers whose every delay is known, each a way to mislead a careless clock."""

import json
from typing import Any

import msgspec


class Piece(msgspec.Struct, frozen=True):
    """Bytes that leave together, ``after`` seconds from the piece before, or from the request.

    ``tokens`` of content become whole with them, in ``events`` events; ``last``: so does the answer.
    """

    after: float
    data: bytes
    events: int = 0
    last: bool = False


class Script(msgspec.Struct, frozen=True):
    """One answer. ``trap``: what a careless clock would do wrong."""

    name: str
    trap: str
    pieces: tuple[Piece, ...]
    tokens: int  # of the answer, as its usage will say


def event(choices: list[dict[str, Any]], **fields: Any) -> bytes:
    """One server-sent event of a chat."""
    return f"data: {json.dumps({'choices': choices, **fields}, ensure_ascii=False)}\n\n".encode()


def content(text: str, **choice: Any) -> bytes:
    """An event with text."""
    return event([{"index": 0, "delta": {"content": text}, "finish_reason": None, **choice}])


def usage(tokens: int) -> bytes:
    """The event that counts them."""
    return event([], usage={"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens})


ROLE = event([{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}])
FINISH = event([{"index": 0, "delta": {}, "finish_reason": "length"}])
DONE = b"data: [DONE]\n\n"


def _ending(tokens: int, *, after: float = 0.0) -> tuple[Piece, ...]:
    return Piece(0.0, FINISH, last=True), Piece(after, usage(tokens) + DONE)


def _steady() -> Script:
    pieces = (Piece(0.3, ROLE + content("one "), 1), *(Piece(0.02, content("more "), 1) for _ in range(39)))
    return Script("steady", "nothing", pieces + _ending(40), 40)


def _early_role() -> Script:
    pieces = (Piece(0.05, ROLE), Piece(0.3, content("one "), 1), *(Piece(0.02, content("more "), 1) for _ in range(29)))
    return Script(
        "early role", "takes the opening chunk, which has no content, for the first token", pieces + _ending(30), 30
    )


def _signs_of_life() -> Script:
    signs = tuple(Piece(0.1, b": still working\r\n\r\n") for _ in range(4))
    pieces = (*signs, Piece(0.1, ROLE + content("one "), 1), *(Piece(0.02, content("more "), 1) for _ in range(29)))
    return Script("signs of life", "takes comments for content", pieces + _ending(30), 30)


def _bursts() -> Script:
    burst = content("more ") * 4
    pieces = (Piece(0.2, ROLE + content("one "), 1), *(Piece(0.08, burst, 4) for _ in range(8)))
    return Script("bursts", "takes tokens that arrive together for tokens of one rate", pieces + _ending(33), 33)


def _several_a_chunk() -> Script:
    chunk = content("three more tokens ")
    pieces = (Piece(0.2, ROLE + content("one "), 1), *(Piece(0.06, chunk, 1) for _ in range(13)))
    return Script("several a chunk", "counts chunks as tokens, as speculation sends them", pieces + _ending(40), 40)


def _stall() -> Script:
    after = [0.02] * 30
    after[15] = 0.5
    pieces = (Piece(0.2, ROLE + content("one "), 1), *(Piece(seconds, content("more "), 1) for seconds in after))
    return Script("stall", "loses the longest gap", pieces + _ending(31), 31)


def _late_usage() -> Script:
    pieces = (Piece(0.2, ROLE + content("one "), 1), *(Piece(0.02, content("more "), 1) for _ in range(29)))
    return Script("late usage", "counts the wait for the usage as time of tokens", pieces + _ending(30, after=0.4), 30)


def _cut_events() -> Script:
    whole = content("日本語 ")
    cut = whole.index("本".encode()) + 1  # within a character
    halves = [piece for _ in range(15) for piece in (Piece(0.02, whole[:cut]), Piece(0.02, whole[cut:], 1))]
    pieces = (Piece(0.2, ROLE + content("one "), 1), *halves)
    return Script("cut events", "takes half an event for a whole one", pieces + _ending(16), 16)


SCRIPTS = (
    _steady(), _early_role(), _signs_of_life(), _bursts(), _several_a_chunk(), _stall(), _late_usage(), _cut_events(),
)  # fmt: skip
