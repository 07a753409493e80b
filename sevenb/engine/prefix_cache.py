"""`PrefixCache`: full blocks found again by what they hold, so that a shared prompt is computed once."""

from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import NamedTuple

from sevenb.engine.block_pool import BlockPool


class Link(NamedTuple):
    """One full block in a hash chain: ``key`` is the 128-bit hash of ``content``.

    ``content`` is the key of the block before and the token ids of this one, so equal contents along a chain mean
    equal tokens from the first position on.
    """

    key: bytes
    content: bytes


class PrefixCache:
    """Block hash → block. Equal keys are believed only when the contents are equal too.

    ``profile`` names everything besides tokens that keys and values depend on (rotary scaling, adapters).
    """

    def __init__(self, pool: BlockPool, profile: str = "") -> None:
        self._pool = pool
        self._root = _hash(profile.encode())
        self._blocks: dict[bytes, tuple[int, Link]] = {}
        self._key_of: dict[int, bytes] = {}
        pool.on_evict(self._forget)

    def __len__(self) -> int:
        return len(self._blocks)

    def extend(self, links: list[Link], token_ids: Sequence[int], blocks: int) -> None:
        """Lengthen the chain of a sequence to its first ``blocks`` full blocks."""
        size = self._pool.block_size
        for index in range(len(links), blocks):
            parent = links[-1].key if links else self._root
            content = parent + array("i", token_ids[index * size : (index + 1) * size]).tobytes()
            links.append(Link(_hash(content), content))

    def match(self, links: Sequence[Link]) -> list[int]:
        """The blocks that already hold the longest prefix of a chain. The caller shares them before using them."""
        found = []
        for link in links:
            entry = self._blocks.get(link.key)
            if entry is None or entry[1].content != link.content:
                break
            found.append(entry[0])
        return found

    def insert(self, link: Link, block: int) -> None:
        """Remember a block that is computed to its end. Of equal blocks the first one stays."""
        if link.key not in self._blocks:
            self._blocks[link.key] = (block, link)
            self._key_of[block] = link.key
            self._pool.keep(block)

    def _forget(self, block: int) -> None:
        del self._blocks[self._key_of.pop(block)]


def _hash(content: bytes) -> bytes:
    return blake2b(content, digest_size=16).digest()
