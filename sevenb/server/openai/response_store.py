"""Responses that clients may come back to: kept in memory, bounded in number and size, the least used dropped first."""

import json
from collections import OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from sevenb.server.openai.responses_types import ResponseBody

MAX_RESPONSES = 1000
MAX_BYTES = 64 * 2**20

Item = dict[str, Any]


@dataclass(frozen=True)
class StoredResponse:
    """A response with what it was asked, ``input_items``, and all that had been said before that, ``history``.

    ``named`` are the ids of those input items that came without one and got theirs here.
    """

    body: ResponseBody
    owner: str
    history: Sequence[Item]
    input_items: Sequence[Item]
    named: Set[str] = frozenset()

    @property
    def conversation(self) -> list[Item]:
        """All items up to this response's own."""
        return [*self.history, *self.input_items, *self._output]

    @property
    def referable(self) -> dict[str, Item]:
        """Its items by id, as far as the ids were given here: one that a client chose may be another's, too."""
        named = [item for item in self.input_items if item["id"] in self.named]
        return {item["id"]: item for item in (*named, *self._output)}

    @property
    def _output(self) -> list[Item]:
        return [item.model_dump(mode="json") for item in self.body.output]


class ResponseStore:
    """Stored responses by id. Each belongs to the ``owner`` who made it; for others it does not exist."""

    def __init__(self, *, max_responses: int = MAX_RESPONSES, max_bytes: int = MAX_BYTES) -> None:
        self._max_responses = max_responses
        self._max_bytes = max_bytes
        self._responses: OrderedDict[str, tuple[StoredResponse, int]] = OrderedDict()
        self._bytes = 0

    def add(self, response: StoredResponse) -> None:
        """Keep a response for as long as there is room."""
        size = len(json.dumps(response.conversation)) + len(response.body.model_dump_json())
        self._responses[response.body.id] = response, size
        self._bytes += size
        while len(self._responses) > self._max_responses or self._bytes > self._max_bytes:
            _, (_, dropped) = self._responses.popitem(last=False)
            self._bytes -= dropped

    def get(self, response_id: str, owner: str) -> StoredResponse | None:
        """A stored response; None if there is no such, or no longer."""
        response, _ = self._responses.get(response_id, (None, 0))
        if response is None or response.owner != owner:
            return None
        self._responses.move_to_end(response_id)
        return response

    def delete(self, response_id: str, owner: str) -> bool:
        """Forget a response; False if there is none."""
        if self.get(response_id, owner) is None:
            return False
        _, size = self._responses.pop(response_id)
        self._bytes -= size
        return True

    def items(self, owner: str) -> dict[str, Item]:
        """All items of stored responses that may be referred to, by id."""
        found: dict[str, Item] = {}
        for response, _ in self._responses.values():
            if response.owner == owner:
                found |= response.referable
        return found
