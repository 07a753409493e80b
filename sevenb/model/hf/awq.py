"""AWQ's integers as AutoAWQ lays them out for its GEMM kernels (arXiv 2306.00978)."""

import numpy as np
import numpy.typing as npt

# Which of eight neighbouring outputs the low and the high half of each byte of a word belong to.
_LOW, _HIGH = [0, 4, 1, 5], [2, 6, 3, 7]


def unpack_awq(words: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Codes or zero points [n, outputs] of packed words [n, outputs / 8]."""
    rows, columns = words.shape
    packed = words.astype("<u4", copy=False).view(np.uint8).reshape(rows, columns, 4)
    codes = np.empty((rows, columns, 8), np.uint8)
    codes[..., _LOW] = packed & 15
    codes[..., _HIGH] = packed >> 4
    return codes.reshape(rows, 8 * columns)
