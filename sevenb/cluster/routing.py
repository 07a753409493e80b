"""`PrefixRouter`: which of several engines a request goes to, by the prompt they have in common and by their load."""

from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

BLOCK = 64  # tokens; prompts are compared by whole blocks
MOST_BLOCKS = 1 << 16  # remembered of each engine: four million tokens
SEQUENCE_COST = 128  # tokens of prompt that an answer in the making weighs as much as


@dataclass(frozen=True)
class Ticket:
    """A request that was sent to an engine, and how much work it is there, in tokens of prompt."""

    engine: int
    cost: int


@dataclass
class _Engine:
    work: int = 0
    seen: OrderedDict[int, None] = field(default_factory=OrderedDict)


class PrefixRouter:
    """Sends a request where least work stands before its end.

    The work is what the engine has still to do, and what of the prompt it has not computed before. So requests that
    begin alike meet the same prefix cache, until it is so busy that another engine would be sooner done.
    """

    def __init__(self, engines: int) -> None:
        self._engines = [_Engine() for _ in range(engines)]
        self._last = 0

    def choose(self, prompt: Sequence[int], sequences: int, among: Collection[int], adapter: str = "") -> Ticket:
        """The best of some engines; `finished` is to be called with what this returns."""
        blocks = _hashes(prompt, adapter)
        unseen = {index: max(0, len(prompt) - BLOCK * self._seen(index, blocks)) for index in among}

        def cost(index: int) -> tuple[int, int]:
            turn = (index - self._last - 1) % len(self._engines)  # of two alike the one whose turn it is
            return self._engines[index].work + unseen[index], turn

        best = min(among, key=cost)
        self._last = best
        self._remember(best, blocks)
        ticket = Ticket(best, unseen[best] + SEQUENCE_COST * sequences)
        self._engines[best].work += ticket.cost
        return ticket

    def finished(self, ticket: Ticket) -> None:
        """A request has ended, however it did."""
        self._engines[ticket.engine].work -= ticket.cost

    def forget(self, engine: int) -> None:
        """An engine was started anew and knows no prompt."""
        self._engines[engine].seen.clear()

    def _seen(self, index: int, blocks: Sequence[int]) -> int:
        seen = self._engines[index].seen
        return next((count for count, block in enumerate(blocks) if block not in seen), len(blocks))

    def _remember(self, index: int, blocks: Sequence[int]) -> None:
        seen = self._engines[index].seen
        for block in reversed(blocks):  # the beginning of a prompt is forgotten last
            seen[block] = None
            seen.move_to_end(block)
        while len(seen) > MOST_BLOCKS:
            seen.popitem(last=False)


def _hashes(prompt: Sequence[int], adapter: str) -> list[int]:
    """One number for each whole block, which stands for all up to its end."""
    tokens = np.array(prompt, np.int32).tobytes()
    hashes, before = [], hash(adapter)
    for start in range(0, len(tokens) - 4 * BLOCK + 1, 4 * BLOCK):
        before = hash((before, tokens[start : start + 4 * BLOCK]))
        hashes.append(before)
    return hashes
