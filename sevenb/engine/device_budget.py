"""How much memory all models of a server may take together where its engines compute, told without loading one."""

import logging
import subprocess
import sys
from pathlib import Path

import msgspec

from sevenb.engine.device_choice import CARDS, choose_device, may_use_card
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.room import CARD_UTILIZATION
from sevenb.host import model_budget

logger = logging.getLogger(__name__)

_PATIENCE = 120.0  # seconds; torch takes some to begin


def device_budget(config: EngineConfig, root: Path = Path("/")) -> int:
    """Bytes: a share of the card that ``config`` comes to, else of the host's memory.

    torch is asked in a process of its own, and only where there may be a card: it is large, and holds on to one.
    """
    if not may_use_card(config, root):
        return model_budget()
    command = [sys.executable, "-m", "sevenb.engine.device_budget"]
    try:
        answer = subprocess.run(
            command, input=msgspec.json.encode(config), capture_output=True, timeout=_PATIENCE, check=True
        )
        return int(answer.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        logger.info("The card's memory could not be told (%s); the host's counts", error)
        return model_budget()


def _tell(config: EngineConfig) -> int:
    """The same, in the process that may import torch."""
    choice = choose_device(config)
    if choice.device not in CARDS:
        return model_budget()
    from sevenb.backend.torch.devices import open_device, total_memory

    total = total_memory(open_device(choice.device))
    return model_budget() if total is None else int(total * (config.memory_utilization or CARD_UTILIZATION))


if __name__ == "__main__":
    print(_tell(msgspec.json.decode(sys.stdin.buffer.read(), type=EngineConfig)))
