"""What each of several engines may take of the machine that they are on together."""

import msgspec

from sevenb.engine.engine_config import EngineConfig
from sevenb.host import free_memory, total_memory


def share_of_host(config: EngineConfig, share: float, *, on_card: bool) -> EngineConfig:
    """``config`` for an engine that has a ``share`` of the host's memory, from 0 to 1.

    An engine on a card of its own keeps what it may take of that; of the host's memory it takes its swap space.
    """
    swap = config.swap_space
    config = msgspec.structs.replace(config, swap_space=None if swap is None else int(swap * share))
    if on_card:
        return config
    if config.memory_budget is not None:
        return msgspec.structs.replace(config, memory_budget=int(config.memory_budget * share))
    # What is free may be so without the other engines' part, or beside it: one that is begun again finds them there.
    return msgspec.structs.replace(config, memory_budget=min(free_memory(), int(total_memory() * share)))
