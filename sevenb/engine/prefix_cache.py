"""`PrefixCache`: full blocks found again by what they hold, so that a shared prompt is computed once."""

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import NamedTuple

from sevenb.engine.block_pool import BlockPool
from sevenb.engine.block_store import BlockStore


class Link(NamedTuple):
    """One full block in a hash chain: ``key`` is the 128-bit hash of ``content``.

    ``content`` is the key of the block before and the token ids of this one, so equal contents along a chain mean
    equal tokens from the first position on. ``place`` counts the links before.
    """

    key: bytes
    content: bytes
    place: int


class PrefixCache:
    """Block hash → block. Equal keys are believed only when the contents are equal too.

    ``identity`` names everything besides tokens that keys and values depend on: model file, backend, layout. What a
    ``store`` takes over from the pool can be restored.

    An evicted block is copied to the store no sooner than it is overwritten, which the caller announces: a long
    prompt that takes half of the pool then costs each of its steps a little, not its first one a lot.
    """

    def __init__(self, pool: BlockPool, store: BlockStore | None = None, identity: str = "") -> None:
        self._pool = pool
        self._store = store
        self._identity = identity
        self._blocks: dict[bytes, tuple[int, Link]] = {}
        self._key_of: dict[int, bytes] = {}
        self._leaving: dict[int, Link] = {}  # evicted blocks that still have their contents
        self._leaving_at: dict[bytes, int] = {}
        pool.on_evict(self._evict)

    def __len__(self) -> int:
        return len(self._blocks)

    def extend(self, links: list[Link], token_ids: Sequence[int], blocks: int, profile: str = "") -> None:
        """Lengthen the chain of a sequence to its first ``blocks`` full blocks.

        ``profile`` names what keys and values of this sequence depend on beside its tokens: its rotary scaling, its
        adapter.
        """
        size = self._pool.block_size
        for place in range(len(links), blocks):
            parent = links[-1].key if links else _hash(f"{self._identity}\n{profile}".encode())
            content = parent + array("i", token_ids[place * size : (place + 1) * size]).tobytes()
            links.append(Link(_hash(content), content, place))

    def find(self, link: Link) -> int | None:
        """The block of the pool that holds a link, if there is one. The caller shares it before using it."""
        entry = self._blocks.get(link.key)
        return entry[0] if entry is not None and entry[1].content == link.content else None

    def match(self, links: Sequence[Link]) -> list[int]:
        """The blocks of the pool that hold the longest prefix of a chain. The caller shares them before using them."""
        found = []
        for link in links:
            if (block := self.find(link)) is None:
                break
            found.append(block)
        return found

    def insert(self, link: Link, block: int) -> None:
        """Remember a block that is computed to its end. Of equal blocks the first one stays."""
        if link.key not in self._blocks:
            self._keep(link, block)
            if self._store is not None:
                self._store.save(link.key, block, link.place)

    def restore(self, link: Link, block: int) -> bool:
        """Fill a block of the pool with the contents of a link, and remember it; False where they are not known."""
        if self._store is None or link.key in self._blocks:
            return False
        self.overwrite([self._leaving_at.get(link.key, block), block])
        if not self._store.restore(link.key, block, link.place):
            return False
        self._keep(link, block)
        return True

    def overwrite(self, blocks: Iterable[int]) -> None:
        """These blocks of the pool will be written: what they still hold of evicted links goes to the store."""
        if self._store is None:
            return
        for block in blocks:
            link = self._leaving.pop(block, None)
            if link is not None:
                del self._leaving_at[link.key]
                self._store.spill(link.key, block)

    def close(self) -> None:
        """See that a disk has all that the pool holds, for the next start."""
        if self._store is not None:
            for block, link in self._blocks.values():
                self._store.save(link.key, block, link.place)
            self._store.close()

    def _keep(self, link: Link, block: int) -> None:
        if (evicted := self._leaving_at.pop(link.key, None)) is not None:
            del self._leaving[evicted]  # it has the same contents
        self._blocks[link.key] = (block, link)
        self._key_of[block] = link.key
        self._pool.keep(block)

    def _evict(self, block: int) -> None:
        _, link = self._blocks.pop(self._key_of.pop(block))
        if self._store is not None:
            self._leaving[block] = link
            self._leaving_at[link.key] = block


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
