"""`EventLog`: what an answer has told its listeners, numbered, so that one who was away can go on."""

import asyncio
from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import Any

import msgspec

KEPT_EVENTS = 4096  # whoever is further behind gets a snapshot instead


def encode(number: int, event: Mapping[str, Any]) -> bytes:
    """An event as it goes over the wire."""
    return b"id: %d\ndata: %s\n\n" % (number, msgspec.json.encode(event))


class EventLog:
    """The last events of one answer, counted from 1."""

    def __init__(self) -> None:
        self._events: deque[bytes] = deque(maxlen=KEPT_EVENTS)
        self._grown = asyncio.Event()
        self.last = 0
        self.closed = False

    def append(self, event: Mapping[str, Any]) -> None:
        """Add an event and wake those who listen."""
        self.last += 1
        self._events.append(encode(self.last, event))
        self._wake()

    def close(self) -> None:
        """Say that nothing more comes."""
        self.closed = True
        self._wake()

    def knows(self, number: int) -> bool:
        """Whether everything that followed event ``number`` is still here."""
        return self.last - len(self._events) <= number <= self.last

    def since(self, number: int) -> bytes:
        """All that followed event ``number``."""
        return b"".join(islice(self._events, len(self._events) - (self.last - number), None))

    async def wait(self, number: int) -> None:
        """Return when there is more than event ``number``, or the log is closed."""
        while self.last == number and not self.closed:
            await self._grown.wait()

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()
