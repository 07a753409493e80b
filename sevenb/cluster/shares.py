"""What each of several engines may take of the machine that they are on together."""

import msgspec

from sevenb.engine.engine_config import EngineConfig
from sevenb.host import free_memory


def share_of_host(config: EngineConfig, share: float, *, on_card: bool) -> EngineConfig:
    """``config`` for an engine that has a ``share`` of the host's memory, from 0 to 1.

    An engine on a card of its own keeps what it may take of that; of the host's memory it takes its swap space.
    """
    swap = config.swap_space
    config = msgspec.structs.replace(config, swap_space=None if swap is None else int(swap * share))
    if on_card:
        return config
    budget = free_memory() if config.memory_budget is None else config.memory_budget
    return msgspec.structs.replace(config, memory_budget=int(budget * share))
