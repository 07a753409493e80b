"""Blocks are lent, shared, kept and evicted without ever being lost or lent twice."""

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sevenb.engine import prefix_cache
from sevenb.engine.block_pool import BlockPool
from sevenb.engine.prefix_cache import Link, PrefixCache

BLOCK_SIZE = 2


def chain(cache: PrefixCache, tokens: list[int]) -> list[Link]:
    links: list[Link] = []
    cache.extend(links, tokens, len(tokens) // BLOCK_SIZE)
    return links


def fill(pool: BlockPool, cache: PrefixCache, tokens: list[int]) -> list[int]:
    """Allocate and cache the blocks of a sequence; the caller holds them."""
    blocks = [pool.allocate() for _ in range(len(tokens) // BLOCK_SIZE)]
    for link, block in zip(chain(cache, tokens), blocks, strict=True):
        cache.insert(link, block)
    return blocks


@pytest.fixture
def pool() -> BlockPool:
    return BlockPool(6, BLOCK_SIZE)


def test_a_released_block_is_found_again_until_it_is_needed(pool: BlockPool) -> None:
    cache = PrefixCache(pool)
    blocks = fill(pool, cache, [1, 2, 3, 4])
    pool.release(reversed(blocks))
    assert pool.free == 6
    assert cache.match(chain(cache, [1, 2, 3, 4])) == blocks
    assert cache.match(chain(cache, [1, 2, 9, 9])) == blocks[:1]
    assert cache.match(chain(cache, [3, 4])) == []
    taken = [pool.allocate() for _ in range(4)]
    assert not set(taken) & set(blocks)
    assert pool.allocate() == blocks[1]  # the end of a prefix goes before its beginning
    assert cache.match(chain(cache, [1, 2, 3, 4])) == blocks[:1]
    pool.allocate()
    assert len(cache) == 0


def test_the_prefix_unused_for_longest_is_evicted_first(pool: BlockPool) -> None:
    cache = PrefixCache(pool)
    first, second, third = (fill(pool, cache, [token, token]) for token in (1, 2, 3))
    for blocks in (first, second, third):
        pool.release(blocks)
    pool.share(first)
    pool.release(first)
    assert [pool.allocate() for _ in range(6)][3:] == [*second, *third, *first]


def test_the_same_tokens_after_another_beginning_are_another_block(pool: BlockPool) -> None:
    cache = PrefixCache(pool)
    fill(pool, cache, [1, 2, 3, 4])
    assert cache.match(chain(cache, [9, 9, 3, 4])) == []


def test_another_profile_or_model_shares_nothing(pool: BlockPool) -> None:
    cache = PrefixCache(pool, identity="a model")
    fill(pool, cache, [1, 2])
    stretched: list[Link] = []
    cache.extend(stretched, [1, 2], 1, "yarn 4")
    assert cache.match(stretched) == []
    assert cache.match(chain(PrefixCache(BlockPool(1, BLOCK_SIZE), identity="another"), [1, 2])) == []


def test_equal_hashes_of_different_tokens_are_not_believed(pool: BlockPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefix_cache, "_hash", lambda content: b"the same for all")
    cache = PrefixCache(pool)
    blocks = fill(pool, cache, [1, 2])
    assert cache.match(chain(cache, [1, 2])) == blocks
    assert cache.match(chain(cache, [1, 3])) == []


class PoolMachine(RuleBasedStateMachine):
    """Sequences come, share cached prefixes, and go, in any order; a plain model says what must hold."""

    @initialize(blocks=st.integers(1, 12))
    def build(self, blocks: int) -> None:
        self.pool = BlockPool(blocks, BLOCK_SIZE)
        self.cache = PrefixCache(self.pool)
        self.held: list[list[int]] = []
        self.ever_used: set[int] = set()
        self.contents: dict[int, bytes] = {}  # what was last written to a block

    @rule(tokens=st.lists(st.integers(0, 1), min_size=BLOCK_SIZE, max_size=5 * BLOCK_SIZE))
    def come(self, tokens: list[int]) -> None:
        links = chain(self.cache, tokens)
        cached = self.cache.match(links)
        for block, link in zip(cached, links, strict=False):
            assert self.contents[block] == link.content
        self.pool.share(cached)
        missing = len(links) - len(cached)
        if missing > self.pool.free:
            self.pool.release(reversed(cached))
            return
        blocks = cached + [self.pool.allocate() for _ in range(missing)]
        for place in range(len(cached), len(blocks)):
            self.contents[blocks[place]] = links[place].content
            self.cache.insert(links[place], blocks[place])
        self.held.append(blocks)

    @precondition(lambda self: any(self.held))
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        place = data.draw(st.integers(0, len(self.held) - 1))
        self.pool.release(reversed(self.held.pop(place)))

    @invariant()
    def every_block_is_counted(self) -> None:
        references = Counter(block for blocks in self.held for block in blocks)
        assert [self.pool.references(block) for block in range(self.pool.blocks)] == [
            references[block] for block in range(self.pool.blocks)
        ]
        assert self.pool.used == len(references)
        self.ever_used |= references.keys()
        assert self.pool.written == len(self.ever_used)
        assert self.pool.free == self.pool.blocks - len(references)


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPoolMachine = PoolMachine.TestCase
