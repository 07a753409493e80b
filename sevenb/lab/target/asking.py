"""Asks once more where a server failed at a request, so that one that died is told from one that lives."""

from collections.abc import Awaitable, Callable

from sevenb.errors import TargetRefused
from sevenb.lab.target.answer import Answer

SERVERS_OWN = 500  # HTTP: from here on the server failed, below it the request was wrong


async def ask_again(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """What ``ask`` gives, if need be at the second try.

    An answer that is broken off may be the last word of a server that shuts down, or of one whose engine is started
    anew. Asked again, the first is gone, which raises `TargetFailed`; the second answers as soon as it can. Raises
    `TargetRefused` where it is the request.
    """
    try:
        return await ask()
    except TargetRefused as refusal:
        if refusal.status < SERVERS_OWN:
            raise
    return await ask()
