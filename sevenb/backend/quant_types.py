"""The types weights have: their numbers, names and block geometry (source: ggml.h, GGUF spec)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt


class QuantType(IntEnum):
    """GGML type numbers as they stand in a GGUF tensor table; from 1000 on our own, which no file may name.

    ``Q4_Z`` holds what AWQ and GPTQ quantise with a zero point: in a block of 32 a scale ``d`` and a zero point ``z``,
    both float16, then 16 bytes of nibbles as in Q4_0 (low nibbles are columns 0 to 15): ``d * (q - z)``.
    """

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
    Q4_Z = 1004

    @property
    def in_files(self) -> bool:
        """Whether GGUF files may name it."""
        return self < 1000

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
    QuantType.Q4_Z: (32, 20),
}


@dataclass(frozen=True)
class RawTensor:
    """One weight in the bytes of its type.

    ``shape`` is row-major, ``(rows, columns)`` for matrices and ``(length,)`` for vectors, so a linear layer is
    ``(out_features, in_features)``. ``stored`` is a read-only view of the file's bytes, uint8, one dimension,
    ``rows * quant_type.row_bytes(columns)`` long, or what makes such bytes of another layout. ``column_order`` says
    which input each column meets where they do not stand in order (GPTQ's act-order).
    """

    name: str
    quant_type: QuantType
    shape: tuple[int, ...]
    stored: npt.NDArray[np.uint8] | Callable[[], npt.NDArray[np.uint8]]
    column_order: npt.NDArray[np.int32] | None = None  # [columns]

    @property
    def data(self) -> npt.NDArray[np.uint8]:
        """The bytes; made anew at each call where the file has another layout."""
        return self.stored() if callable(self.stored) else self.stored

    @property
    def nbytes(self) -> int:
        """Length of `data`, which is not touched."""
        return self.rows * self.quant_type.row_bytes(self.columns)

    @property
    def rows(self) -> int:
        """Output features of a matrix; 1 for a vector."""
        return self.shape[0] if len(self.shape) == 2 else 1

    @property
    def columns(self) -> int:
        """Input features of a matrix; the length of a vector."""
        return self.shape[-1]
