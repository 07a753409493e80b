"""`TorchChoice`: the tokens that a step chooses, as the device has them and as the host gets them later."""

from collections.abc import Callable

import torch
from torch import Tensor

from sevenb.backend.protocol import Batch, Sampled
from sevenb.backend.torch.failures import told_apart


class TorchChoice:
    """On their way to the host from the start, so that reading them waits for their own step and for no later one."""

    def __init__(self, numbers: Tensor, taken: Callable[[list[int]], list[Sampled]]) -> None:
        """``numbers``, integers on the device, begin with an id for each row; ``taken`` makes of all what is told."""
        self.token_ids = numbers
        self._taken = taken
        self._arrived: torch.cuda.Event | None = None
        self._numbers = numbers
        if numbers.device.type == "cuda":
            self._numbers = torch.empty(numbers.shape, dtype=numbers.dtype, pin_memory=True)
            self._numbers.copy_(numbers, non_blocking=True)
            self._arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._arrived.record()

    def sampled(self) -> list[Sampled]:
        """Wait for them. Raises `NumberOverflow`, `DeviceLost`, `OutOfMemory`."""
        with told_apart(self.token_ids.device):
            if self._arrived is not None:
                self._arrived.synchronize()
            return self._taken(self._numbers.tolist())


def fill_in(token_ids: Tensor, batch: Batch) -> None:
    """Put what an earlier step chose where a batch names it; ``token_ids``, those of its step, change in place.

    The device does so when it has chosen; nobody waits.
    """
    if batch.earlier is None:
        return
    if not isinstance(batch.earlier, TorchChoice):
        raise TypeError("a batch names the choice of another backend")
    rows = (-1 - token_ids).clamp(min=0)
    token_ids.copy_(torch.where(token_ids < 0, batch.earlier.token_ids.index_select(0, rows), token_ids))
