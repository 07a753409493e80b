"""From integers with scales and zero points, as checkpoints have them, to the blocks of our own weight types."""

from typing import Any

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType

Bytes = npt.NDArray[np.uint8]
Halves = npt.NDArray[np.float16]

_BLOCK = 32
# Outputs converted at a time: few enough that what is made on the way stays in a CPU's cache.
_STRIP = 64


def four_bit_blocks(codes: Bytes, scales: Halves, zeros: Bytes | None, group_size: int) -> Bytes:
    """Q4_Z blocks, or Q4_0 where ``zeros`` is None and means 8: [outputs * inputs / 32 * block bytes].

    ``codes`` [inputs, outputs] are 0 to 15; ``scales`` and ``zeros`` [groups, outputs] serve ``group_size``
    neighbouring inputs each, a multiple of 32, the last one perhaps fewer.
    """
    quant_type = QuantType.Q4_0 if zeros is None else QuantType.Q4_Z
    blocks = _blocks(codes, scales, group_size, quant_type)
    if zeros is not None:
        _put(blocks, 2, _of_blocks(zeros, len(codes), group_size).astype("<f2"))
    halves = codes.reshape(-1, 2, _BLOCK // 2, codes.shape[1])
    pairs: Bytes = halves[:, 0] | halves[:, 1] << np.uint8(4)
    _put_values(blocks, pairs)
    return blocks.reshape(-1)


def eight_bit_blocks(codes: Bytes, scales: Halves, group_size: int) -> Bytes:
    """Q8_0 blocks of ``codes`` [inputs, outputs] whose zero point is 128."""
    blocks = _blocks(codes, scales, group_size, QuantType.Q8_0)
    signed: Bytes = codes ^ np.uint8(128)  # less 128, as a signed byte
    _put_values(blocks, signed.reshape(-1, _BLOCK, codes.shape[1]))
    return blocks.reshape(-1)


def _blocks(codes: Bytes, scales: Halves, group_size: int, quant_type: QuantType) -> Bytes:
    """Blocks [outputs, blocks, bytes] that hold their scales and nothing else yet."""
    inputs, outputs = codes.shape
    blocks = np.empty((outputs, inputs // _BLOCK, quant_type.block_bytes), np.uint8)
    _put(blocks, 0, _of_blocks(scales, inputs, group_size).astype("<f2"))
    return blocks


def _of_blocks(groups: npt.NDArray[Any], inputs: int, group_size: int) -> npt.NDArray[Any]:
    """[groups, outputs] as [outputs, blocks]."""
    of_blocks: npt.NDArray[Any] = groups[np.arange(0, inputs, _BLOCK) // group_size]
    return of_blocks.T


def _put(blocks: Bytes, offset: int, halves: npt.NDArray[Any]) -> None:
    blocks[:, :, offset : offset + 2] = np.ascontiguousarray(halves)[..., None].view(np.uint8)


def _put_values(blocks: Bytes, values: Bytes) -> None:
    """The last bytes of each block, from [blocks, bytes, outputs]."""
    count, size, outputs = values.shape
    flat = values.reshape(count * size, outputs)
    for first in range(0, outputs, _STRIP):
        strip = np.ascontiguousarray(flat[:, first : first + _STRIP].T)
        blocks[first : first + _STRIP, :, -size:] = strip.reshape(-1, count, size)
