"""Weights on a torch device: plain numbers, or one affine layout for every quantised type."""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from sevenb.backend.torch.kernels.layout import unpack_codes

# Weights dequantised at a time: few enough that a big head takes little room, enough to keep a card busy.
_SLICE = 1 << 24


@dataclass(frozen=True)
class FloatWeight:
    """A matrix of plain numbers."""

    values: Tensor  # [rows, columns], of the backend's dtype
    column_order: Tensor | None = None  # [columns] int64: the input that each column meets; None: in order

    @property
    def rows(self) -> int:
        """Outputs."""
        return int(self.values.shape[0])

    @property
    def columns(self) -> int:
        """Inputs."""
        return int(self.values.shape[1])

    @property
    def kernel_name(self) -> str:
        """What it is, for people."""
        return f"{str(self.values.dtype).removeprefix('torch.')} weights"

    def tensors(self) -> list[Tensor]:
        """All that it holds on the device."""
        return [tensor for tensor in (self.values, self.column_order) if tensor is not None]

    def dequantize(self, start: int = 0, end: int | None = None) -> Tensor:
        """The rows ``start : end``: [end - start, columns], of the weight's own dtype."""
        return self.values[start:end]

    def take(self, rows: Tensor) -> Tensor:
        """Some rows, as float32: [len(rows), columns]."""
        return self.values[rows].float()


@dataclass(frozen=True)
class GroupedWeight:
    """A matrix of small codes with a scale for each ``group`` of neighbouring columns.

    A weight is ``scale * (code - zero)`` with the ``zeros`` of its group or else the one ``zero`` of all; where there
    are ``minima`` it is ``scale * code + minimum``. In float32 that is exactly what the file holds.
    """

    codes: Tensor  # [rows, columns * bits / 32] int32, as `kernels.layout.pack_codes` lays unsigned codes out
    scales: Tensor  # [rows, columns / group]: float16 where that holds all of them exactly, else float32
    bits: int  # 4 or 8
    group: (
        int  # 16 (K-quants of 2, 3, 6 bits), 32, or a larger power of two where neighbouring blocks agree (AWQ's 128)
    )
    zero: int = 0
    zeros: Tensor | None = None  # [rows, columns / group], float16
    minima: Tensor | None = None  # [rows, columns / group], of the dtype of ``scales``
    column_order: Tensor | None = None  # [columns] int64: the input that each column meets; None: in order

    @property
    def rows(self) -> int:
        """Outputs."""
        return int(self.codes.shape[0])

    @property
    def columns(self) -> int:
        """Inputs."""
        return int(self.codes.shape[1]) * 32 // self.bits

    @property
    def kernel_name(self) -> str:
        """What it is, for people."""
        return f"{self.bits}-bit weights in groups of {self.group}"

    def tensors(self) -> list[Tensor]:
        """All that it holds on the device."""
        held = (self.codes, self.scales, self.zeros, self.minima, self.column_order)
        return [tensor for tensor in held if tensor is not None]

    def dequantize(self, start: int = 0, end: int | None = None) -> Tensor:
        """The rows ``start : end``: [end - start, columns], float32."""
        return self._numbers(slice(start, end))

    def take(self, rows: Tensor) -> Tensor:
        """Some rows: [len(rows), columns], float32."""
        return self._numbers(rows)

    def _numbers(self, rows: slice | Tensor) -> Tensor:
        codes = unpack_codes(self.codes[rows], self.bits)
        numbers = codes.view(len(codes), -1, self.group).float()
        scales = self.scales[rows].unsqueeze(-1).float()
        if self.minima is not None:
            numbers = torch.addcmul(self.minima[rows].unsqueeze(-1).float(), numbers, scales)
        elif self.zeros is not None:
            numbers = numbers.sub_(self.zeros[rows].unsqueeze(-1).float()).mul_(scales)
        else:
            numbers = numbers.sub_(self.zero).mul_(scales)
        return numbers.reshape(len(codes), -1)


TorchWeight: TypeAlias = FloatWeight | GroupedWeight


def rows_at_a_time(weight: TorchWeight) -> int:
    """How many rows of a weight are dequantised together."""
    return max(1, _SLICE // weight.columns)
