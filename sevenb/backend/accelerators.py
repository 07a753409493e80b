"""Signs of accelerators that can be seen without any library: whether it is worth the seconds to ask torch."""

import platform
import sys
from dataclasses import dataclass
from pathlib import Path

_INTEL = "0x8086"  # vendor id of PCI


@dataclass(frozen=True)
class AcceleratorSign:
    """A kind of device, as torch names it, and what to call it in a sentence."""

    device: str
    title: str


_CARD = AcceleratorSign("cuda", "an NVIDIA card")
_AMD = AcceleratorSign("cuda", "an AMD card")
_WINDOWS = AcceleratorSign("cuda", "a card of the Windows host")
_ASCEND = AcceleratorSign("npu", "an Ascend NPU")
_ARC = AcceleratorSign("xpu", "an Intel GPU")
_APPLE = AcceleratorSign("mps", "an Apple GPU")

_FILES = (
    ("proc/driver/nvidia/version", _CARD),
    ("dev/nvidiactl", _CARD),
    ("dev/dxg", _WINDOWS),
    ("dev/kfd", _AMD),
    ("dev/davinci_manager", _ASCEND),
)


def signs_of_accelerators(root: Path = Path("/")) -> list[AcceleratorSign]:
    """What drivers have left below ``root``, and the Apple GPU of an Apple machine; best first.

    Sources: NVIDIA's driver README (``/proc/driver/nvidia``), ROCm's and CANN's installation guides (``/dev/kfd``,
    ``/dev/davinci_manager``), Linux's ``drm`` class in sysfs. A sign is no proof: a driver may be broken, a card taken.
    """
    found = [sign for name, sign in _FILES if (root / name).exists()]
    if any(_vendor(path) == _INTEL for path in (root / "sys/class/drm").glob("renderD*/device/vendor")):
        found.append(_ARC)
    if root == Path("/") and sys.platform == "darwin" and platform.machine() == "arm64":
        found.append(_APPLE)
    return found


def _vendor(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
