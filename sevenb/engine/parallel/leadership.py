"""What is different where an engine's model is shared by several ranks; torch is imported there alone."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from sevenb.backend.protocol import Backend
from sevenb.engine.device_choice import DeviceChoice
from sevenb.engine.engine_config import EngineConfig
from sevenb.errors import DeviceLost, SevenbError
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, ProgressCallback
from sevenb.model.lora import LoraAdapter
from sevenb.model.sharding import ShardedCheckpoint, check_ranks
from sevenb.model.store import Store

if TYPE_CHECKING:
    from sevenb.engine.parallel.leading import LeadingBackend

OnLoss = Callable[[SevenbError], None]


def open_leading(config: EngineConfig, choice: DeviceChoice, on_loss: OnLoss | None = None) -> "LeadingBackend":
    """Rank 0's backend; the other ranks are started, and have met.

    ``on_loss`` is told from another thread why a rank has ended, which no step may notice. Raises `InvalidRequest`
    where the model cannot be divided so often, before anything is started, `DeviceUnavailable`, `DeviceLost`.
    """
    from sevenb.engine.parallel.leading import LeadingBackend

    with Checkpoint.open(Store().resolve(config.model)) as whole:
        check_ranks(whole.config, config.tensor_parallel_size)
    return LeadingBackend(config, choice.device, on_loss)


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


def cause(backend: Backend, error: DeviceLost) -> Exception:
    """Why loading failed with ``error``: what another rank ended with, where rank 0 only lost it."""
    leading = _leading(backend)
    return error if leading is None else leading.ranks.cause(error)


def close(backend: Backend) -> None:
    """End the other ranks, if there are any."""
    if (leading := _leading(backend)) is not None:
        leading.ranks.close()


def _leading(backend: Backend) -> "LeadingBackend | None":
    if not hasattr(backend, "ranks"):
        return None
    from sevenb.engine.parallel.leading import LeadingBackend

    return backend if isinstance(backend, LeadingBackend) else None
