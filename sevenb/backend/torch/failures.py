"""What goes wrong on a device while it computes, as the errors that people are told."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sevenb.errors import DeviceLost, OutOfMemory


@contextmanager
def told_apart(device: torch.device) -> Iterator[None]:
    """Raise `OutOfMemory` where a step finds no room, `DeviceLost` where the device can compute nothing any more.

    After an error inside a kernel, or of the card itself, every later call fails: only a new process helps.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise OutOfMemory(
            f"The memory of {device} ran out during a step; lower --gpu-memory-utilization, --max-num-batched-tokens "
            "or --max-num-seqs, or end what else computes there."
        ) from None
    except torch.AcceleratorError as error:
        first = str(error).strip().partition("\n")[0]
        raise DeviceLost(
            f"{device} failed during a step ({first}) and must be opened anew; if it does so again, look at the "
            "driver's log (dmesg, nvidia-smi -q)."
        ) from error
