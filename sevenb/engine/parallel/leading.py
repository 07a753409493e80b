"""Rank 0: its own device with a part of the model on it, which to the engine is one device with the whole."""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from sevenb.backend.protocol import Batch, FloatArray, KVLayout
from sevenb.backend.torch import TorchBackend
from sevenb.backend.torch.devices import open_device
from sevenb.backend.torch.kv import TorchKVCache
from sevenb.backend.torch.parallel import ProcessGroup
from sevenb.engine.engine_config import EngineConfig
from sevenb.engine.parallel.devices import check_devices, rank_device, rank_threads
from sevenb.engine.parallel.messages import (
    AllocateCache,
    Allocated,
    BlockContents,
    CopyBlocks,
    DropCache,
    Forward,
    FreeMemory,
    Loaded,
    LoadWeights,
    MeasureMemory,
    ReadBlock,
    WriteBlock,
)
from sevenb.engine.parallel.ranks import Ranks
from sevenb.errors import DeviceUnavailable, SevenbError
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder, ProgressCallback
from sevenb.model.sharding import ShardedCheckpoint


@dataclass(frozen=True)
class _KnownCache:
    """A cache by the number that the ranks know it by, and how long a block of it is on each of them, rank 0 first."""

    number: int
    block_bytes: tuple[int, ...]


class LeadingBackend(TorchBackend):
    """Rank 0's own device. What is done to keys and values is done on all ranks, what a step computes by its decoder.

    Sizes are those of rank 0, whose part is the largest; only the contents of a block are those of all ranks, one after
    another.
    """

    def __init__(self, config: EngineConfig, device: str, on_loss: Callable[[SevenbError], None] | None = None) -> None:
        """Start the other ranks, and meet them; ``on_loss`` as in `Ranks`. Raises `DeviceUnavailable`, `DeviceLost`."""
        ranks = config.tensor_parallel_size
        opened = open_device(device)
        check_devices(opened.type, ranks, torch.cuda.device_count())
        ProcessGroup.check_free()
        own = rank_device(opened.type, 0)
        self._config = config
        self.ranks = Ranks(config, opened.type, ranks, on_loss)
        try:
            group = self.ranks.meet(open_device(own))
            super().__init__(
                own,
                config.dtype,
                group=group,
                eager=config.enforce_eager,
                threads=rank_threads(config.threads, ranks),
            )
        except DeviceUnavailable as error:
            cause = self.ranks.cause(error)
            self.ranks.close()
            raise cause from None
        except BaseException:
            self.ranks.close()
            raise
        self._group_of_ranks = group
        self._caches: dict[int, _KnownCache] = {}  # by the identity of rank 0's own
        self._numbers = 0
        self._dropped: list[int] = []  # numbers of caches that are gone, for the other ranks to hear

    def describe(self) -> str:
        """The device of one rank, and how many there are."""
        return f"{self.ranks.ranks} ranks of {self.alone.describe()}"

    def free_memory(self) -> int:
        """The least that any rank's device has free. Where they share the processor's memory, a part for each."""
        free = min(super().free_memory(), *(answer.bytes for answer in self.ranks.ask(MeasureMemory(), FreeMemory)()))
        return free // self.ranks.ranks if self.device_type == "cpu" else free

    @cached_property
    def alone(self) -> TorchBackend:
        """Rank 0's device without the others, for a draft model."""
        return TorchBackend(rank_device(self.device_type, 0), self._config.dtype, eager=self._config.enforce_eager)

    # -- loading ---------------------------------------------------------------------------------------

    def part_of(self, whole: Checkpoint) -> ShardedCheckpoint:
        """What this rank loads of a model. Raises `InvalidRequest` where it cannot be divided so often."""
        part = ShardedCheckpoint(whole, 0, self.ranks.ranks)
        self._group_of_ranks.share_vocabulary(whole.config.vocab_size)
        return part

    # -- KV cache --------------------------------------------------------------------------------------

    def allocate_kv(self, layout: KVLayout, blocks: int) -> TorchKVCache:
        """Room for as many blocks on every rank. Raises `OutOfMemory`."""
        self._numbers += 1
        number = self._numbers
        command = AllocateCache(number=number, blocks=blocks, block_size=layout.block_size, dtype=layout.dtype)
        self._tell_dropped()
        answers = self.ranks.ask(command, Allocated)
        cache = super().allocate_kv(layout, blocks)
        others = [answer.block_bytes for answer in answers()]
        self._caches[id(cache)] = _KnownCache(number, (self.kv_block_bytes(layout), *others))
        weakref.finalize(cache, self._forget, id(cache))
        return cache

    def copy_blocks(self, cache: TorchKVCache, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` on all ranks."""
        self.ranks.tell(CopyBlocks(self.number_of(cache), pairs))
        super().copy_blocks(cache, pairs)

    def read_block(self, cache: TorchKVCache, block: int) -> bytes:
        """The contents of one block on all ranks, one after another."""
        answers = self.ranks.ask(ReadBlock(self.number_of(cache), block), BlockContents)
        own = super().read_block(cache, block)
        return b"".join([own, *(answer.contents for answer in answers())])

    def write_block(self, cache: TorchKVCache, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        known = self._caches[id(cache)]
        if len(contents) != sum(known.block_bytes):
            raise ValueError(f"a block of this cache has {sum(known.block_bytes)} bytes, not {len(contents)}")
        parts, start = [], 0
        for size in known.block_bytes:
            parts.append(contents[start : start + size])
            start += size
        self.ranks.tell_each([WriteBlock(known.number, block, part) for part in parts[1:]])
        super().write_block(cache, block, parts[0])

    def number_of(self, cache: TorchKVCache) -> int:
        """What the other ranks know a cache by."""
        return self._caches[id(cache)].number

    def _tell_dropped(self) -> None:
        while self._dropped:
            self.ranks.tell(DropCache(self._dropped.pop()))

    def _forget(self, identity: int) -> None:
        self._dropped.append(self._caches.pop(identity).number)


class LeadingDecoder(Decoder):
    """Rank 0's part of the model, which has the other ranks load and compute theirs at the same time."""

    def __init__(
        self, part: ShardedCheckpoint, backend: LeadingBackend, progress: ProgressCallback | None = None
    ) -> None:
        """``part`` is what `LeadingBackend.part_of` gave. Raises what a rank has ended with, here or when all are asked
        the next time."""
        self._ranks = backend.ranks
        self._number_of = backend.number_of
        self._ranks.ask(LoadWeights(), Loaded)

        def watched(done: int, total: int) -> None:
            backend.ranks.check()
            if progress is not None:
                progress(done, total)

        super().__init__(part, backend, watched)

    def forward_with_states(self, batch: Batch, cache: TorchKVCache, rows: Sequence[int]) -> tuple[Tensor, FloatArray]:
        """Compute a batch on all ranks. Raises `DeviceLost` where one cannot."""
        self._ranks.tell(Forward.of(batch, self._number_of(cache), states=bool(rows)))
        try:
            return super().forward_with_states(batch, cache, rows)
        except Exception as error:
            raise self._ranks.loss(error) from error
