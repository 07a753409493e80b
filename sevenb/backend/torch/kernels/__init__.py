"""Triton kernels for NVIDIA cards, behind the ops of `sevenb.backend.torch.plain`."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from sevenb.backend.torch.plain import PlainOps


def fast_ops(device: torch.device, dtype: torch.dtype) -> "PlainOps | None":
    """The ops that have kernels for a device, None where there are none: no NVIDIA card, no Triton, or float32."""
    if device.type != "cuda" or torch.version.hip or dtype == torch.float32 or find_spec("triton") is None:
        return None
    from sevenb.backend.torch.kernels.launch import counters
    from sevenb.backend.torch.kernels.ops import TritonOps

    counters(torch.empty(0, device=device).device)  # before any graph is captured, whose memory they must not be in
    return TritonOps(dtype)
