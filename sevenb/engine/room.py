"""`Room`: the memory that an engine may take where it computes, known before anything is taken."""

from dataclasses import dataclass
from typing import TypeGuard

from sevenb.backend.protocol import Backend, CardBackend
from sevenb.engine.engine_config import EngineConfig

PROCESSOR_UTILIZATION = 0.5  # of what the weights leave free: other programs live in that memory, too
CARD_UTILIZATION = 0.9  # of all its memory, as vLLM has it

_FRAGMENTS = 256 * 2**20  # bytes of a card that allocators lose between blocks


@dataclass(frozen=True)
class Room:
    """``free`` bytes are for weights, steps and KV pool together; of what the first two leave, the pool may have a
    ``share``.

    ``card`` are all bytes of a card, 0 where the engine computes in the host's memory. ``filled``: somebody said how
    much to take, so that the pool takes it all.
    """

    free: int
    share: float
    card: int = 0
    filled: bool = False

    @property
    def option(self) -> str:
        """What a person raises to have more of it."""
        return "gpu-memory-utilization" if self.card else "memory_utilization"


def on_card(backend: Backend) -> TypeGuard[CardBackend]:
    """Whether the device has memory of its own."""
    return backend.total_memory() is not None


def room_of(config: EngineConfig, backend: Backend) -> Room:
    """What ``config`` lets an engine take of what is free now."""
    card, free, budget = backend.total_memory(), backend.free_memory(), config.memory_budget
    if card is None:
        if budget is not None:
            free = min(free, max(0, budget - (config.swap_space or 0)))
        return Room(free, config.memory_utilization or PROCESSOR_UTILIZATION)
    free = min(free - _FRAGMENTS, int(card * (config.memory_utilization or CARD_UTILIZATION)))
    if budget is not None:
        free = min(free, budget)
    return Room(max(0, free), 1.0, card, filled=config.memory_utilization is not None)
