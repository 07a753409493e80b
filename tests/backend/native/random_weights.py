"""Random GGUF weights whose every bit pattern is valid, with scales as small or large as a test wants."""

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor

# Where half-precision scales lie in a block.
_HALF_FIELDS = {
    QuantType.Q4_0: (0,),
    QuantType.Q4_1: (0, 2),
    QuantType.Q5_0: (0,),
    QuantType.Q5_1: (0, 2),
    QuantType.Q8_0: (0,),
    QuantType.Q2_K: (80, 82),
    QuantType.Q3_K: (108,),
    QuantType.Q4_K: (0, 2),
    QuantType.Q5_K: (0, 2),
    QuantType.Q6_K: (208,),
    QuantType.Q4_Z: (0,),
}


def random_tensor(
    quant_type: QuantType, rows: int, columns: int, rng: np.random.Generator, scale: float = 0.01
) -> RawTensor:
    """A [rows, columns] tensor; its scales (or plain numbers) are drawn from a normal distribution of ``scale``."""
    if quant_type not in _HALF_FIELDS:
        data = _numbers(quant_type, scale * rng.standard_normal(rows * columns).astype(np.float32))
        return RawTensor("random", quant_type, (rows, columns), data)
    blocks = rng.integers(0, 256, (rows * columns // quant_type.block_size, quant_type.block_bytes), dtype=np.uint8)
    for offset in _HALF_FIELDS[quant_type]:
        halves = (scale * rng.standard_normal(len(blocks))).astype(np.float16)
        blocks[:, offset : offset + 2] = halves.view(np.uint8).reshape(-1, 2)
    if quant_type is QuantType.Q4_Z:
        zeros = rng.integers(0, 17, len(blocks)).astype(np.float16)
        blocks[:, 2:4] = zeros.view(np.uint8).reshape(-1, 2)
    return RawTensor("random", quant_type, (rows, columns), blocks.reshape(-1))


def _numbers(quant_type: QuantType, values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    match quant_type:
        case QuantType.F16:
            return values.astype(np.float16).view(np.uint8)
        case QuantType.BF16:
            return (values.view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
        case _:
            return values.view(np.uint8)
