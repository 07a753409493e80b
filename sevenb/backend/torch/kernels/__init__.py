"""Triton kernels for NVIDIA cards, behind the ops of `sevenb.backend.torch.plain`."""

import os
import shutil
import sysconfig
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from sevenb.errors import DeviceUnavailable

if TYPE_CHECKING:
    from sevenb.backend.torch.plain import PlainOps

# Ampere, the oldest that Triton is made for. What attention keeps in shared memory is more than Turing has, and without
# the tensor cores of Ampere its kernels spill thousands of bytes.
_OLDEST_CARD = (8, 0)


def fast_ops(device: torch.device, dtype: torch.dtype) -> "PlainOps | None":
    """The ops that have kernels for a device; None without any: no NVIDIA card or an old one, no Triton, float32."""
    if device.type != "cuda" or torch.version.hip or dtype == torch.float32 or find_spec("triton") is None:
        return None
    if torch.cuda.get_device_capability(device) < _OLDEST_CARD:
        return None
    _check_compiler()
    from sevenb.backend.torch.kernels.launch import counters
    from sevenb.backend.torch.kernels.ops import TritonOps

    counters(torch.empty(0, device=device).device)  # before any graph is captured, whose memory they must not be in
    return TritonOps(dtype)


def _check_compiler() -> None:
    """Triton compiles how a kernel is called at its first call, in C. Raises DeviceUnavailable where it could not."""
    has_compiler = os.environ.get("CC") or any(shutil.which(name) for name in ("gcc", "clang", "cc"))
    has_headers = (Path(sysconfig.get_path("include")) / "Python.h").exists()
    if not (has_compiler and has_headers):
        raise DeviceUnavailable(
            "Triton's kernels need a C compiler and Python's headers (apt install gcc python3-dev); install them, or "
            "choose --device cpu."
        )
