"""Devices that torch computes on: which is best here, whether one can be used, its name, its memory, its dtypes."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import numpy.typing as npt
import torch
from torch import Tensor

from sevenb.backend.protocol import DeviceMemory
from sevenb.errors import DeviceUnavailable, InvalidRequest
from sevenb.host import free_memory as free_host_memory

_OLDEST_CARD = (7, 0)  # Volta: the first with tensor cores, and the oldest that torch is built for
_BFLOAT16_CARD = (8, 0)  # Ampere
_FP8_CARD = (8, 9)  # Ada
_DTYPES = {
    "half": torch.float16,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
    "float32": torch.float32,
}


def best_device() -> str:
    """The best kind of device that torch can use here; ``cpu`` where there is no other. Never raises."""
    for kind in ("cuda", "npu", "xpu", "mps"):
        try:
            open_device(kind)
        except DeviceUnavailable:
            continue
        return kind
    return "cpu"


def open_device(name: str) -> torch.device:
    """A device by its kind, by kind and number (``cuda:1``), or ``auto``.

    Raises `DeviceUnavailable`, `InvalidRequest`.
    """
    if name == "auto":
        name = best_device()
    kind, _, index = name.partition(":")
    check = _CHECKS.get(kind)
    if check is None or not (index.isdecimal() or name == kind):
        raise InvalidRequest(f"There is no device {name!r}; choose one of auto, {', '.join(_CHECKS)}.", "device")
    check()
    device = torch.device(name) if index or kind in ("cpu", "mps") else torch.device(kind, 0)
    if kind == "cuda":
        _check_card(device)
    return device


def open_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of activations. Raises `DeviceUnavailable` for one that the device lacks, `InvalidRequest`.

    ``auto`` is float32 on the processor, elsewhere bfloat16, whose range no model exceeds, or float16 on cards before
    Ampere.
    """
    if name == "auto":
        if device.type == "cpu":
            return torch.float32
        return torch.bfloat16 if has_bfloat16(device) else torch.float16
    if name not in _DTYPES:
        raise InvalidRequest(f"There is no dtype {name!r}; choose one of auto, {', '.join(_DTYPES)}.", "dtype")
    if _DTYPES[name] == torch.bfloat16 and not has_bfloat16(device):
        raise DeviceUnavailable(
            f"{device_name(device)} does not compute in bfloat16; choose --dtype float16, or float32 if that overflows."
        )
    return _DTYPES[name]


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device computes in bfloat16 at speed."""
    if device.type == "cuda" and torch.version.hip is None:
        return torch.cuda.get_device_capability(device) >= _BFLOAT16_CARD
    return True


def has_fp8(device: torch.device) -> bool:
    """Whether the device converts 8-bit floats itself; the processor does so slowly, for tests."""
    if device.type == "cuda" and torch.version.hip is None:
        return torch.cuda.get_device_capability(device) >= _FP8_CARD
    return device.type in ("cpu", "xpu")


def upload(values: npt.NDArray[Any], device: torch.device) -> Tensor:
    """A host array on the device. It may share the array's memory, which nobody may then write to.

    To a card it is copied from pinned memory: then the host need not wait until the card has done all before.
    """
    host = torch.from_numpy(values)
    if device.type == "cuda":
        host = host.pin_memory()
    return host.to(device, non_blocking=True)


def device_name(device: torch.device) -> str:
    """What people call the device: ``NVIDIA H100 80GB HBM3``."""
    if device.type in ("cpu", "mps"):
        return {"cpu": "the processor", "mps": "the Apple GPU"}[device.type]
    return str(torch.get_device_module(device).get_device_name(device))


def free_memory(device: torch.device) -> int:
    """Bytes that can be allocated on the device now, those that torch keeps for itself included."""
    if device.type in ("cpu", "mps"):
        return free_host_memory()
    module: Any = torch.get_device_module(device)
    held = module.memory_reserved(device) - module.memory_allocated(device)
    return int(module.mem_get_info(device)[0] + held)


def total_memory(device: torch.device) -> int | None:
    """Bytes of the card; None where the device shares the host's memory."""
    if device.type in ("cpu", "mps"):
        return None
    module: Any = torch.get_device_module(device)
    return int(module.mem_get_info(device)[1])


def allocator_memory(device: torch.device) -> DeviceMemory:
    """What torch's allocator holds now and held at most since `reset_peak`."""
    if device.type in ("cpu", "mps"):
        return DeviceMemory()
    module: Any = torch.get_device_module(device)
    return DeviceMemory(
        allocated=int(module.memory_allocated(device)),
        peak=int(module.max_memory_allocated(device)),
        reserved=int(module.memory_reserved(device)),
    )


def reset_peak(device: torch.device) -> None:
    """Let `allocator_memory` count its peak from now on."""
    if device.type not in ("cpu", "mps"):
        module: Any = torch.get_device_module(device)
        module.empty_cache()
        module.reset_peak_memory_stats(device)


# -- whether a kind of device can be used --------------------------------------------------------------


def _check_cpu() -> None:
    """There is always one."""


def _check_cuda() -> None:
    if torch.version.cuda is None and torch.version.hip is None:
        raise DeviceUnavailable(
            f"The torch {torch.__version__} that is installed was built without CUDA; install one with it "
            "(pip install --force-reinstall torch, see https://pytorch.org), or choose --device cpu."
        )
    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
        torch.cuda.current_device()
    except (RuntimeError, AssertionError) as error:
        raise DeviceUnavailable(_why_no_card(str(error))) from None


def _why_no_card(message: str) -> str:
    """What torch says of its own failure to begin, as one sentence."""
    if "too old" in message:
        return (
            f"The NVIDIA driver is too old for this torch (built for CUDA {torch.version.cuda}); update the driver, "
            "install a torch for an older CUDA, or choose --device cpu."
        )
    if "no NVIDIA driver" in message or "libcuda" in message:
        return "There is no NVIDIA driver on this machine; install one (nvidia-smi must work), or choose --device cpu."
    if "No CUDA GPUs" in message:
        return "The NVIDIA driver shows no card; see nvidia-smi and CUDA_VISIBLE_DEVICES, or choose --device cpu."
    first = message.strip().partition("\n")[0][:200]
    return f"CUDA cannot be started ({first}); see whether nvidia-smi works, or choose --device cpu."


def _check_card(device: torch.device) -> None:
    count = torch.cuda.device_count()
    if device.index >= count:
        raise DeviceUnavailable(
            f"There is no {device}: this machine has {count} card{'' if count == 1 else 's'}, counted from 0."
        )
    if torch.version.hip is not None:
        return
    if (found := torch.cuda.get_device_capability(device)) < _OLDEST_CARD:
        raise DeviceUnavailable(
            f"{device_name(device)} is too old (compute capability {found[0]}.{found[1]}, needed is "
            f"{_OLDEST_CARD[0]}.{_OLDEST_CARD[1]}); choose --device cpu."
        )


def _check_mps() -> None:
    if not torch.backends.mps.is_built():
        raise DeviceUnavailable("This torch has no support for Apple GPUs (mps); choose --device cpu.")
    if not torch.backends.mps.is_available():
        raise DeviceUnavailable(
            "There is no Apple GPU here that torch can use (macOS 14 is needed); choose --device cpu."
        )


def _check_npu() -> None:
    if find_spec("torch_npu") is None:
        raise DeviceUnavailable(
            "An Ascend NPU needs the package torch_npu beside torch and CANN: install both (see "
            "https://gitee.com/ascend/pytorch), or choose --device cpu."
        )
    try:
        import torch_npu  # type: ignore[import-not-found, unused-ignore]  # noqa: F401

        available = torch.get_device_module("npu").is_available()
    except Exception as error:  # whatever the vendor's package raises when its driver is missing
        raise DeviceUnavailable(f"torch_npu cannot be started ({error}); choose --device cpu.") from None
    if not available:
        raise DeviceUnavailable("torch_npu finds no Ascend NPU; see npu-smi info, or choose --device cpu.")


def _check_xpu() -> None:
    if not torch.xpu._is_compiled():
        raise DeviceUnavailable(
            f"The torch {torch.__version__} that is installed was built without Intel GPUs (xpu); install that build "
            "(see https://pytorch.org), or choose --device cpu."
        )
    if not torch.xpu.is_available():
        raise DeviceUnavailable("torch finds no Intel GPU; install Intel's compute runtime, or choose --device cpu.")


_CHECKS: dict[str, Callable[[], None]] = {
    "cpu": _check_cpu,
    "cuda": _check_cuda,
    "mps": _check_mps,
    "npu": _check_npu,
    "xpu": _check_xpu,
}
