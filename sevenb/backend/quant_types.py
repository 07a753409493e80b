"""The weight types of GGUF files: their numbers, names and block geometry (source: ggml.h, GGUF spec)."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class QuantType(IntEnum):
    """GGML type numbers as they stand in a GGUF tensor table."""

    F32 = 0
    F16 = 1
    Q4_0 = 2
    Q4_1 = 3
    Q5_0 = 6
    Q5_1 = 7
    Q8_0 = 8
    Q2_K = 10
    Q3_K = 11
    Q4_K = 12
    Q5_K = 13
    Q6_K = 14
    BF16 = 30

    @property
    def block_size(self) -> int:
        """Weights in one block; a row's length is a multiple of it."""
        return _GEOMETRY[self][0]

    @property
    def block_bytes(self) -> int:
        """Bytes that one block takes in the file."""
        return _GEOMETRY[self][1]

    def row_bytes(self, columns: int) -> int:
        """Bytes of a row of ``columns`` weights; ``columns`` must be a multiple of `block_size`."""
        return columns // self.block_size * self.block_bytes


_GEOMETRY: dict[QuantType, tuple[int, int]] = {
    QuantType.F32: (1, 4),
    QuantType.F16: (1, 2),
    QuantType.BF16: (1, 2),
    QuantType.Q4_0: (32, 18),
    QuantType.Q4_1: (32, 20),
    QuantType.Q5_0: (32, 22),
    QuantType.Q5_1: (32, 24),
    QuantType.Q8_0: (32, 34),
    QuantType.Q2_K: (256, 84),
    QuantType.Q3_K: (256, 110),
    QuantType.Q4_K: (256, 144),
    QuantType.Q5_K: (256, 176),
    QuantType.Q6_K: (256, 210),
}


@dataclass(frozen=True)
class RawTensor:
    """One weight exactly as it lies in a model file.

    ``shape`` is row-major, ``(rows, columns)`` for matrices and ``(length,)`` for vectors, so a linear layer is
    ``(out_features, in_features)``. ``data`` is a read-only view of the file's bytes, uint8, one dimension,
    ``rows * quant_type.row_bytes(columns)`` long.
    """

    name: str
    quant_type: QuantType
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8]

    @property
    def rows(self) -> int:
        """Output features of a matrix; 1 for a vector."""
        return self.shape[0] if len(self.shape) == 2 else 1

    @property
    def columns(self) -> int:
        """Input features of a matrix; the length of a vector."""
        return self.shape[-1]
