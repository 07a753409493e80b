"""`MemoryMeter`: what an engine's process takes of memory, and what of it is for what."""

import contextlib
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
import psutil

from sevenb.backend.protocol import CardBackend
from sevenb.engine.block_pool import BlockPool
from sevenb.engine.kv_sizing import KVSizing
from sevenb.engine.messages import MemoryUse

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_FORGET_PEAK = "5"  # proc_pid_clear_refs(5): resets the peak of resident memory, and nothing else


class MemoryMeter:
    """Begins when the model is loaded and nothing has been computed: what is taken from then on is the steps' own.

    The peak before that and the peak since are told apart where the system can forget the first one (Linux).
    """

    def __init__(self, weights: int, sizing: KVSizing) -> None:
        """``weights`` are bytes as they are packed."""
        self._weights = weights
        self._sizing = sizing
        self._peak_of_loading = _peak()
        with contextlib.suppress(OSError):
            _CLEAR.write_text(_FORGET_PEAK)
        self._loaded = _resident()

    def use(self, pool: BlockPool, swap: int = 0) -> MemoryUse:
        """What is taken now, where ``swap`` bytes hold blocks that the pool evicted."""
        peak = _peak()
        written = pool.written * self._sizing.block_bytes
        return MemoryUse(
            weights=self._weights,
            kv_reserved=self._sizing.bytes,
            kv_used=pool.used * self._sizing.block_bytes,
            kv_written=written,
            swap=swap,
            activations_peak=max(0, peak - self._loaded - written - swap),
            process=_resident(),
            process_peak=max(peak, self._peak_of_loading),
        )


class CardMeter(MemoryMeter):
    """Of an engine on a card: weights, pool, steps and graphs are there, only the process is in the host's memory."""

    def __init__(self, weights: int, sizing: KVSizing, backend: CardBackend, graphs: int) -> None:
        """Begins when all is taken that steps do not take. ``weights`` and ``graphs`` are bytes."""
        super().__init__(weights, sizing)
        self._backend = backend
        self._graphs = graphs
        backend.reset_peak()
        self._held = backend.memory().allocated

    def use(self, pool: BlockPool, swap: int = 0) -> MemoryUse:
        """What is taken now."""
        memory = self._backend.memory()
        return msgspec.structs.replace(
            super().use(pool, swap),
            activations_peak=max(0, memory.peak - self._held),
            graphs=self._graphs,
            card=memory.reserved,
            card_total=self._backend.total_memory() or 0,
        )


def _resident() -> int:
    return _status().get("VmRSS") or int(psutil.Process().memory_info().rss)


def _peak() -> int:
    if peak := _status().get("VmHWM"):
        return peak
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak) if sys.platform == "darwin" else 1024 * peak


def _status() -> Mapping[str, int]:
    """Bytes by name, of Linux's ``/proc/self/status``; nothing elsewhere."""
    try:
        lines = _STATUS.read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): 1024 * int(count) for name, count, _ in fields}
