"""What the API process and its Ray process say to each other: JSON, one message a line."""

import msgspec

from sevenb.engine.starting import Launch


class _Message(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    pass


class StartEngine(_Message, frozen=True):
    """Begin an engine on a machine that has so much to spare."""

    name: str
    launch: Launch
    cpus: float
    gpus: float


class KillEngine(_Message, frozen=True):
    """End one at once."""

    name: str


RayCommand = StartEngine | KillEngine


class ClusterReady(_Message, frozen=True):
    """Connected to a cluster, or to one of this machine alone. ``address`` is this machine's within it."""

    address: str
    machines: int
    cpus: float
    gpus: float


class ClusterFailed(_Message, frozen=True):
    """There is none; ``message`` is a sentence for people."""

    message: str


class EngineStarted(_Message, frozen=True):
    """An engine's process was begun."""

    name: str
    pid: int
    machine: str


class EngineEnded(_Message, frozen=True):
    """An engine's process is gone; ``exit_code`` is negative where a signal may have ended it."""

    name: str
    exit_code: int
    reason: str = ""


RayReport = ClusterReady | ClusterFailed | EngineStarted | EngineEnded
