"""`Device`: what a plan is made for; the named ones with their makers' figures, and the machine at hand."""

import difflib
import platform
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from time import perf_counter
from typing import Literal

import numpy as np

from sevenb.errors import InvalidRequest
from sevenb.host import model_budget, total_memory, usable_cores

GIB = 2**30
MIB = 2**20
GPU_UTILIZATION = 0.9  # of a card's memory, what vLLM takes unless told otherwise
MEASURED_ROUNDS = 5
MEASURED_BYTES = 64 * MIB  # that each thread reads in a round: more than caches hold


@dataclass(frozen=True, kw_only=True)
class Device:
    """A machine, or ``cards`` alike that share each layer (tensor parallel).

    ``memory`` (bytes) and ``bandwidth`` (bytes/s) are of one card, ``compute`` (FLOP/s) its dense rate of FP16 matrices
    with FP32 sums, None where nobody states one. ``source`` says where the figures are from.
    """

    name: str
    title: str
    kind: Literal["cpu", "gpu"]
    memory: int
    bandwidth: float
    source: str
    compute: float | None = None
    cards: int = 1

    @property
    def usable(self) -> int:
        """Bytes of one card, or of the machine, that models may take."""
        return int(self.memory * GPU_UTILIZATION) if self.kind == "gpu" else model_budget(self.memory)


def _gpu(name: str, title: str, mebibytes: int, gigabytes: float, teraflops: float, source: str) -> Device:
    return Device(
        name=name,
        title=title,
        kind="gpu",
        memory=mebibytes * MIB,  # as nvidia-smi tells it
        bandwidth=gigabytes * 1e9,
        compute=teraflops * 1e12,
        source=source,
    )


def _cpu(name: str, title: str, gibibytes: int, gigabytes: float, source: str) -> Device:
    return Device(name=name, title=title, kind="cpu", memory=gibibytes * GIB, bandwidth=gigabytes * 1e9, source=source)


_CARDS = (
    _gpu("rtx-3060-12gb", "NVIDIA RTX 3060", 12288, 360, 25.5, "NVIDIA: 192 bit × 15 Gbit/s; 28 SMs at 1.777 GHz"),
    _gpu("rtx-3090", "NVIDIA RTX 3090", 24576, 936, 71.2, "NVIDIA GA102 whitepaper"),
    _gpu(
        "rtx-4060-ti-16gb", "NVIDIA RTX 4060 Ti", 16380, 288, 44.1, "NVIDIA: 128 bit × 18 Gbit/s; 34 SMs at 2.535 GHz"
    ),
    _gpu("rtx-4090", "NVIDIA RTX 4090", 24564, 1008, 165.2, "NVIDIA Ada whitepaper"),
    _gpu("rtx-4090d", "NVIDIA RTX 4090 D", 24564, 1008, 147.1, "NVIDIA: 384 bit × 21 Gbit/s; 114 SMs at 2.52 GHz"),
    _gpu("l4-24gb", "NVIDIA L4", 23034, 300, 121.0, "NVIDIA L4 datasheet"),
    _gpu("a100-80gb", "NVIDIA A100 SXM", 81920, 2039, 312.0, "NVIDIA A100 datasheet"),
    _gpu("h100-80gb", "NVIDIA H100 SXM", 81559, 3350, 989.4, "NVIDIA H100 datasheet"),
    _gpu("h200", "NVIDIA H200 SXM", 143771, 4800, 989.4, "NVIDIA H200 datasheet"),
)
_MACHINES = (
    _cpu("mac-16gb", "Mac with M4", 16, 120, "Apple: M4, 120 GB/s"),
    _cpu("cpu-16gb", "Computer with 16 GiB", 16, 51.2, "JEDEC: two channels of DDR4-3200"),
    _cpu("cpu-32gb", "Computer with 32 GiB", 32, 89.6, "JEDEC: two channels of DDR5-5600"),
)
USUAL_DEVICES = ("rtx-3060-12gb", "rtx-4090", "4x4090", "h100-80gb", "mac-16gb", "cpu-16gb", "cpu-32gb")
"""What tables of named devices show."""

DEVICES: dict[str, Device] = {device.name: device for device in (*_CARDS, *_MACHINES)}


def find_device(name: str) -> Device:
    """A named device: ``rtx-4090``, shorter ``4090``, several as ``4x4090``; ``here`` is this machine.

    Raises `InvalidRequest` with the names that there are.
    """
    wanted = name.strip().lower().replace("×", "x").replace("_", "-").replace(" ", "-")
    if wanted in ("here", "this"):
        return this_machine()
    several = re.fullmatch(r"(\d{1,2})x-?(.+)", wanted)
    cards, single = (int(several[1]), several[2]) if several else (1, wanted)
    matching = list(_named(single))
    if len(matching) != 1 or not 1 <= cards <= 16 or (cards > 1 and matching[0].kind == "cpu"):
        near = [device.name for device in matching] or difflib.get_close_matches(single, DEVICES, n=3, cutoff=0.5)
        meant = f"did you mean {' or '.join(near)}?" if near else f"choose {', '.join(DEVICES)}, or 4x4090."
        raise InvalidRequest(f"There is no device {name!r}; {meant}", "device")
    if cards == 1:
        return matching[0]
    device = matching[0]
    return replace(device, name=f"{cards}x{device.name}", title=f"{cards} × {device.title}", cards=cards)


def _named(name: str) -> Iterator[Device]:
    if device := DEVICES.get(name):
        yield device
        return
    for device in DEVICES.values():
        short = re.sub(r"-\d+gb$", "", device.name)
        spellings = {device.name, short, device.name.removeprefix("rtx-"), short.removeprefix("rtx-")}
        if name.replace("-", "") in {spelling.replace("-", "") for spelling in spellings}:
            yield device


@cache
def this_machine() -> Device:
    """This machine's processors: the memory that it or its container has, its bandwidth measured (half a second)."""
    threads = usable_cores()
    return Device(
        name="here",
        title=f"This machine ({platform.machine()}, {threads} core{'s' if threads > 1 else ''})",
        kind="cpu",
        memory=total_memory(),
        bandwidth=measured_bandwidth(threads),
        source=f"measured: {threads} thread{'s' if threads > 1 else ''} reading with NumPy; less while others compute",
    )


def measured_bandwidth(threads: int) -> float:
    """Bytes a second that so many threads read together from memory: the best of a few rounds."""
    parts = [np.ones(MEASURED_BYTES // 4, np.int32) for _ in range(threads)]
    best = 0.0
    with ThreadPoolExecutor(threads) as executor:
        for _ in range(MEASURED_ROUNDS):
            started = perf_counter()
            list(executor.map(np.max, parts))
            best = max(best, sum(part.nbytes for part in parts) / (perf_counter() - started))
    return best
