"""`Replication`: how many engines a model gets, and where: one process, several here, or several in a Ray cluster."""

import os
from dataclasses import dataclass

import msgspec

from sevenb.backend.accelerators import signs_of_accelerators
from sevenb.cluster.ray_engines import RayCluster, RayStarter
from sevenb.cluster.replicas import Replicas, which_engine
from sevenb.cluster.shares import share_of_host
from sevenb.engine.client import EngineClient
from sevenb.engine.device_choice import may_use_card
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.handle import EngineHandle
from sevenb.engine.starting import LocalStarter
from sevenb.errors import DeviceUnavailable
from sevenb.host import usable_cores

# By NVIDIA's, Huawei's and Intel's documentation of their runtimes (CUDA, CANN, Level Zero).
_VISIBLE_CARDS = {"cuda": "CUDA_VISIBLE_DEVICES", "npu": "ASCEND_RT_VISIBLE_DEVICES", "xpu": "ZE_AFFINITY_MASK"}


@dataclass(frozen=True)
class Replication:
    """``count`` engines of one model; on the machines of a Ray cluster where there is one."""

    count: int = 1
    cluster: RayCluster | None = None

    def engine(self, config: EngineConfig, max_open_requests: int) -> EngineHandle:
        """A model's engines as one handle, not started yet. They share what ``config`` allows one to take."""
        if self.count == 1 and self.cluster is None:
            return EngineClient(msgspec.json.encode(config), max_open_requests=max_open_requests)
        if self.cluster is not None:
            starter = RayStarter(self.cluster, self.count)
            encoded = msgspec.json.encode(config)
            clients = [
                EngineClient(
                    encoded,
                    starter=starter,
                    max_open_requests=max_open_requests,
                    keeps_trying=True,
                    name=which_engine(index, self.count),
                )
                for index in range(self.count)
            ]
        else:
            share = msgspec.json.encode(self._share(config))
            clients = [
                EngineClient(
                    share,
                    starter=LocalStarter(environment=_cards(config, index)),
                    max_open_requests=max_open_requests,
                    name=which_engine(index, self.count),
                )
                for index in range(self.count)
            ]
        return Replicas(clients, max_open_requests)

    def _share(self, config: EngineConfig) -> EngineConfig:
        """What one of several engines on this machine may take; cards are not shared, the host's memory is."""
        on_card = may_use_card(config)
        config = share_of_host(config, 1 / self.count, on_card=on_card)
        if on_card:
            return config
        return msgspec.structs.replace(config, threads=config.threads or max(1, usable_cores() // self.count))


def _cards(config: EngineConfig, index: int) -> dict[str, str]:
    """The environment that shows each of several engines cards of its own."""
    if not may_use_card(config):
        return {}
    first = index * config.tensor_parallel_size
    cards = range(first, first + config.tensor_parallel_size)
    # Which kind `auto` comes to only torch knows: of each that there are signs of, an engine gets its own.
    kinds = [sign.device for sign in signs_of_accelerators()] if config.device == "auto" else [config.device]
    return {variable: _shown(variable, cards, index) for kind, variable in _VISIBLE_CARDS.items() if kind in kinds}


def _shown(variable: str, cards: range, index: int) -> str:
    """Some cards among those that ``variable`` shows to this process. Raises `DeviceUnavailable`."""
    if not (shown := os.environ.get(variable)):
        return ",".join(map(str, cards))
    if cards.stop > len(visible := shown.split(",")):
        raise DeviceUnavailable(
            f"Replica {index + 1} needs {cards.stop} cards with those before it, but {variable} shows "
            f"{len(visible)}; lower --replicas, or show more of them."
        )
    return ",".join(visible[card] for card in cards)


ONE_ENGINE = Replication()
