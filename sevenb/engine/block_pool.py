"""`BlockPool`: which pages of the KV cache are free, shared or worth keeping."""

from collections import OrderedDict
from collections.abc import Callable, Iterable


class BlockPool:
    """Reference counts of ``blocks`` pages of ``block_size`` positions each.

    A block nobody refers to is free. If the prefix cache asked to `keep` it, its contents stay readable until no
    blank block is left; then the one unused for longest is evicted first.
    """

    def __init__(self, blocks: int, block_size: int) -> None:
        self.blocks = blocks
        self.block_size = block_size
        self.written = 0  # blocks that were ever in use: they are handed out from the first on
        self._references = [0] * blocks
        self._blank = list(range(blocks - 1, -1, -1))  # a stack: memory just used is used again first
        self._kept: set[int] = set()
        self._reusable: OrderedDict[int, None] = OrderedDict()  # kept and unreferenced, oldest first
        self._forget: Callable[[int], None] = lambda block: None

    def on_evict(self, forget: Callable[[int], None]) -> None:
        """Call ``forget(block)`` before the contents of a kept block are given up."""
        self._forget = forget

    @property
    def free(self) -> int:
        """Blocks that can be allocated now, blank or reusable."""
        return len(self._blank) + len(self._reusable)

    @property
    def used(self) -> int:
        """Blocks that some sequence refers to."""
        return self.blocks - self.free

    def blocks_for(self, tokens: int) -> int:
        """How many blocks hold that many positions."""
        return -(-tokens // self.block_size)

    def references(self, block: int) -> int:
        """How many sequences refer to a block."""
        return self._references[block]

    def allocate(self) -> int:
        """A block for one sequence. The caller checks `free` first."""
        if self._blank:
            block = self._blank.pop()
            self.written = max(self.written, block + 1)
        else:
            block, _ = self._reusable.popitem(last=False)
            self._kept.remove(block)
            self._forget(block)
        self._references[block] = 1
        return block

    def share(self, blocks: Iterable[int]) -> None:
        """One more reference to each block, whether in use or reusable."""
        for block in blocks:
            if self._references[block] == 0:
                del self._reusable[block]
            self._references[block] += 1

    def release(self, blocks: Iterable[int]) -> None:
        """One reference less to each block. The last ones given are evicted last."""
        for block in blocks:
            self._references[block] -= 1
            if self._references[block] == 0:
                if block in self._kept:
                    self._reusable[block] = None
                else:
                    self._blank.append(block)

    def keep(self, block: int) -> None:
        """The contents of a block in use shall outlive its sequences."""
        self._kept.add(block)
