"""What rank 0 tells the other ranks, and what they answer."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from sevenb.backend.protocol import AdapterRun, Batch, IntArray


class RankLaunch(msgspec.Struct, frozen=True):
    """The first line of a rank's standard input. ``config`` is the engine's own, as JSON."""

    rank: int
    ranks: int
    address: str  # of the socket that brings commands
    folder: str  # of this engine alone, where ranks meet; whoever is left at the end removes it
    device: str
    config: msgspec.Raw


# -- to a rank -----------------------------------------------------------------------------------------


class Join(msgspec.Struct, frozen=True, tag=True):
    """Meet the other ranks."""


class MeasureMemory(msgspec.Struct, frozen=True, tag=True):
    """Say how much is free. Answered by `FreeMemory`."""


class LoadWeights(msgspec.Struct, frozen=True, tag=True):
    """Load your part of the model and of its adapters. Answered by `Loaded`."""


class AllocateCache(msgspec.Struct, frozen=True, tag=True):
    """Make room for keys and values, under a number. Answered by `Allocated`."""

    number: int
    blocks: int
    block_size: int
    dtype: str


class DropCache(msgspec.Struct, frozen=True, tag=True):
    """Let go of a cache."""

    number: int


class Forward(msgspec.Struct, frozen=True, tag=True):
    """Compute your part of a batch; its arrays are given as their bytes.

    ``states``: rank 0 wants hidden states, too. It computes such a step in another way, and so must all.
    """

    cache: int
    states: bool
    arrays: tuple[bytes, bytes, bytes, bytes, bytes, bytes, bytes, bytes]
    adapters: tuple[tuple[int, int, str], ...] = ()

    @classmethod
    def of(cls, batch: Batch, cache: int, *, states: bool) -> "Forward":
        """The message that says a batch."""
        arrays = (
            batch.token_ids.tobytes(),
            batch.positions.tobytes(),
            batch.query_starts.tobytes(),
            batch.context_lengths.tobytes(),
            batch.block_tables.tobytes(),
            batch.logit_rows.tobytes(),
            batch.rope_cos.tobytes(),
            batch.rope_sin.tobytes(),
        )
        return cls(cache, states, arrays, tuple((run.start, run.end, run.adapter) for run in batch.adapters))

    def batch(self) -> Batch:
        """The batch it says."""
        token_ids, positions, query_starts, context_lengths, block_tables, logit_rows = map(_integers, self.arrays[:6])
        rope_cos, rope_sin = (np.frombuffer(array, np.float32).reshape(len(token_ids), -1) for array in self.arrays[6:])
        return Batch(
            token_ids=token_ids,
            positions=positions,
            query_starts=query_starts,
            context_lengths=context_lengths,
            block_tables=block_tables.reshape(len(context_lengths), -1),
            logit_rows=logit_rows,
            rope_cos=rope_cos,
            rope_sin=rope_sin,
            adapters=tuple(AdapterRun(*run) for run in self.adapters),
        )


class CopyBlocks(msgspec.Struct, frozen=True, tag=True):
    """Copy whole blocks ``(source, target)`` of a cache."""

    cache: int
    pairs: Sequence[tuple[int, int]]


class ReadBlock(msgspec.Struct, frozen=True, tag=True):
    """Give the contents of your part of a block. Answered by `BlockContents`."""

    cache: int
    block: int


class WriteBlock(msgspec.Struct, frozen=True, tag=True):
    """Put back what `BlockContents` gave."""

    cache: int
    block: int
    contents: bytes


RankCommand: TypeAlias = (
    Join | MeasureMemory | LoadWeights | AllocateCache | DropCache | Forward | CopyBlocks | ReadBlock | WriteBlock
)


# -- from a rank ---------------------------------------------------------------------------------------


class Opened(msgspec.Struct, frozen=True, tag=True):
    """The device is there, and commands are awaited. The first answer of all."""


class FreeMemory(msgspec.Struct, frozen=True, tag=True):
    """What is free on the rank's device."""

    bytes: int


class Loaded(msgspec.Struct, frozen=True, tag=True):
    """The rank's part of the model is packed."""

    weight_bytes: int


class Allocated(msgspec.Struct, frozen=True, tag=True):
    """There is a cache, a block of which takes so many bytes on this rank."""

    block_bytes: int


class BlockContents(msgspec.Struct, frozen=True, tag=True):
    """The contents of a rank's part of a block."""

    contents: bytes


class RankFailed(msgspec.Struct, frozen=True):
    """The rank's last word: why it ends, as the name of a `SevenbError` and its sentence.

    It lies in a file (`devices.last_word_in`), so that whoever watches the process finds it, whatever rank 0 is doing.
    """

    error: str
    message: str


RankAnswer: TypeAlias = Opened | FreeMemory | Loaded | Allocated | BlockContents


def _integers(array: bytes) -> IntArray:
    return np.frombuffer(array, np.int32)
