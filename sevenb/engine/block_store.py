"""`BlockStore`: where the contents of KV blocks live on after the pool gave them up: in memory, and in a folder."""

from collections import OrderedDict
from dataclasses import dataclass

from sevenb.backend.protocol import Backend, KVCache
from sevenb.engine.disk_tier import DiskTier


class MemoryTier:
    """Contents by key in at most ``capacity`` bytes; what came first goes first."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._contents: OrderedDict[bytes, bytes] = OrderedDict()
        self._bytes = 0

    def __contains__(self, key: bytes) -> bool:
        return key in self._contents

    def put(self, key: bytes, contents: bytes) -> None:
        """Keep contents, at the cost of the oldest."""
        self.take(key)
        self._contents[key] = contents
        self._bytes += len(contents)
        while self._bytes > self.capacity:
            _, oldest = self._contents.popitem(last=False)
            self._bytes -= len(oldest)

    def take(self, key: bytes) -> bytes | None:
        """Give contents back and forget them: they return when the pool evicts them again."""
        contents = self._contents.pop(key, None)
        if contents is not None:
            self._bytes -= len(contents)
        return contents


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
