"""What is different where an engine's model is shared by several ranks; torch is imported there alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sevenb.backend.protocol import Backend
from sevenb.engine.device_choice import DeviceChoice
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import DeviceLost
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, ProgressCallback
from sevenb.model.lora import LoraAdapter
from sevenb.model.sharding import ShardedCheckpoint

if TYPE_CHECKING:
    from sevenb.engine.parallel.leading import LeadingBackend


def open_leading(config: EngineConfig, choice: DeviceChoice) -> "LeadingBackend":
    """Rank 0's backend; the other ranks are started, and have met. Raises `DeviceUnavailable`, `InvalidRequest`."""
    from sevenb.engine.parallel.leading import LeadingBackend

    return LeadingBackend(config, choice.device)


def own_part(
    checkpoint: Checkpoint, adapters: dict[str, LoraAdapter], backend: Backend
) -> tuple[Checkpoint, dict[str, LoraAdapter]]:
    """What this process loads of a model and of its adapters: all, or the part of rank 0."""
    if (leading := _leading(backend)) is None:
        return checkpoint, adapters
    part = leading.part_of(checkpoint)
    return part, {name: part.part_of_adapter(adapter) for name, adapter in adapters.items()}


def load_decoder(checkpoint: Checkpoint, backend: Backend, progress: ProgressCallback) -> Decoder:
    """Pack what `own_part` gave, on all ranks at once. Raises `OutOfMemory`."""
    if (leading := _leading(backend)) is None:
        return Decoder(checkpoint, backend, progress)
    from sevenb.engine.parallel.leading import LeadingDecoder

    assert isinstance(checkpoint, ShardedCheckpoint)
    return LeadingDecoder(checkpoint, leading, progress)


def alone(backend: Backend) -> Backend:
    """The device of this process without other ranks, for a model that is too small to share."""
    leading = _leading(backend)
    return backend if leading is None else leading.alone


def on_loss(backend: Backend, tell: Callable[[DeviceLost], None]) -> None:
    """Call ``tell`` from another thread once a rank has ended, which no step may notice."""
    if (leading := _leading(backend)) is not None:
        leading.ranks.on_loss(tell)


def close(backend: Backend) -> None:
    """End the other ranks, if there are any."""
    if (leading := _leading(backend)) is not None:
        leading.ranks.close()


def _leading(backend: Backend) -> "LeadingBackend | None":
    if not hasattr(backend, "ranks"):
        return None
    from sevenb.engine.parallel.leading import LeadingBackend

    return backend if isinstance(backend, LeadingBackend) else None
