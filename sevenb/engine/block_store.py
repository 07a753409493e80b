"""`BlockStore`: where the contents of KV blocks live on after the pool gave them up: in memory, and in a folder."""

from collections import OrderedDict
from dataclasses import dataclass
from hashlib import blake2b

from sevenb import __version__
from sevenb.backend.protocol import Backend, KVCache, KVLayout
from sevenb.engine.disk_tier import DiskTier
from sevenb.model.checkpoint import Checkpoint

CONTENTS_VERSION = 1  # to be raised with every change of the kernels or the decoder that keys and values show
SAMPLE = 4096  # bytes of a tensor that are read to know it again, twice


class MemoryTier:
    """Contents by key in at most ``capacity`` bytes; what came first goes first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self.bytes = 0
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()

    def __contains__(self, key: bytes) -> bool:
        return key in self._contents

    def put(self, key: bytes, contents: bytes) -> None:
        """Keep contents, at the cost of the oldest."""
        self.take(key)
        self._contents[key] = contents
        self.bytes += len(contents)
        while self.bytes > self.capacity:
            _, oldest = self._contents.popitem(last=False)
            self.bytes -= len(oldest)

    def take(self, key: bytes) -> bytes | None:
        """Give contents back and forget them: they return when the pool evicts them again."""
        contents = self._contents.pop(key, None)
        if contents is not None:
            self.bytes -= len(contents)
        return contents


def swap_bytes(asked: int | None, *, pool_bytes: int, free_bytes: int) -> int:
    """Memory for what the pool evicts: what was asked for, else as much as the pool or a quarter of what it leaves.

    It is taken only as it fills.
    """
    return max(0, min(pool_bytes, (free_bytes - pool_bytes) // 4)) if asked is None else asked


def cache_identity(checkpoint: Checkpoint, backend: Backend, layout: KVLayout) -> str:
    """Names what keys and values depend on besides tokens and rotary profile.

    That is the model, this release and the form of a block. Of each tensor only some kilobytes are read: files that
    differ at all differ there, too.
    """
    digest = blake2b(repr(checkpoint.config).encode(), digest_size=16)
    for name, tensor in sorted(checkpoint.tensors.items()):
        digest.update(f"{name} {tensor.quant_type} {tensor.shape}".encode())
        data = tensor.data  # once: it may be converted anew each time
        middle = len(data) // 2
        for sample in (data[:SAMPLE], data[middle : middle + SAMPLE]):
            digest.update(sample.tobytes())
    return f"{__version__} {CONTENTS_VERSION} {backend.name} {layout} {digest.hexdigest()}"


@dataclass(eq=False, slots=True)
class BlockStore:
    """Blocks of one KV cache by the hash of all that their contents depend on.

    What the pool evicts moves to ``memory``. With a ``disk``, each block is also copied there as soon as it is
    computed, by a thread of its own, so that whatever ends the process leaves a warm cache behind.
    """

    backend: Backend
    cache: KVCache
    memory: MemoryTier
    disk: DiskTier | None = None
    spilled: int = 0  # blocks so far
    restored: int = 0

    def save(self, key: bytes, block: int, place: int) -> None:
        """See that a computed block, the ``place``-th of its sequence, is on disk."""
        if self.disk is not None and self.disk.writable and not self.disk.touch(key, place):
            self.disk.put(key, self.backend.read_block(self.cache, block), place)

    def spill(self, key: bytes, block: int) -> None:
        """Keep a block whose place in the pool is about to be overwritten."""
        if self.memory.capacity:
            self.memory.put(key, self.backend.read_block(self.cache, block))
            self.spilled += 1

    def restore(self, key: bytes, block: int, place: int) -> bool:
        """Fill a block of the pool with what is known under ``key``; False when nothing is."""
        contents = self.memory.take(key)
        if contents is None and self.disk is not None:
            contents = self.disk.get(key, place)
        if contents is None:
            return False
        self.backend.write_block(self.cache, block, contents)
        self.restored += 1
        return True

    def close(self) -> None:
        """Wait, not for long, until the disk has all that was saved."""
        if self.disk is not None:
            self.disk.close()
