"""Weights on a torch device: plain numbers, or one affine layout for every quantised type."""

from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

from sevenb.backend.torch.kernels.layout import columns_of_block

_CACHED = 1 << 18
_MANY = 1 << 24  # enough to keep a card busy, few enough that a big head takes little room


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

    def multiply(self, inputs: Tensor) -> Tensor:
        """``inputs @ weight.T``: [T, rows], of the inputs' dtype."""
        return inputs @ self.values.to(inputs.dtype).T


@dataclass(frozen=True)
class GroupedWeight:
    """A matrix of small codes with a scale for each ``group`` of neighbouring columns.

    A weight is ``scale * (code - zero)`` with the ``zeros`` of its group or else the one ``zero`` of all; where there
    are ``minima`` it is ``scale * code + minimum``. With ``levels`` scales, or scales and minima, are small integers,
    those of 256 columns multiplied by a number or two of theirs, as K-quants have it. In float32 that is exactly what
    the file holds.
    """

    codes: Tensor  # [rows, columns * bits / 32] int32, as `kernels.layout.pack_codes` lays unsigned codes out
    # [rows, columns / group]: float16 where that holds all of them exactly, else float32. With one level int8; with
    # two int16: the lower byte is the scale, the higher one makes the minimum
    scales: Tensor
    bits: int  # of codes in ``codes``: 2, 4 or 8
    group: (
        int  # 16 (K-quants of 2, 3, 6 bits), 32, or a larger power of two where neighbouring blocks agree (AWQ's 128)
    )
    zero: int = 0
    zeros: Tensor | None = None  # [rows, columns / group], float16
    minima: Tensor | None = None  # [rows, columns / group], of the dtype of ``scales``
    column_order: Tensor | None = None  # [columns] int64: the input that each column meets; None: in order
    # [rows, columns / 256, 1 or 2] float16: of scales, and, where there are minima, of what those take away
    levels: Tensor | None = None
    # [rows, columns * bits / 32] uint8 or int16: the bits of codes above those in ``codes``
    upper: Tensor | None = None

    @property
    def rows(self) -> int:
        """Outputs."""
        return int(self.codes.shape[0])

    @property
    def columns(self) -> int:
        """Inputs."""
        return int(self.codes.shape[1]) * 32 // self.bits

    @property
    def upper_bits(self) -> int:
        """Bits of each code that stand in ``upper``."""
        return 0 if self.upper is None else self.upper.element_size() * self.bits // 4

    @property
    def kernel_name(self) -> str:
        """What it is, for people."""
        return f"{self.bits + self.upper_bits}-bit weights in groups of {self.group}"

    def tensors(self) -> list[Tensor]:
        """All that it holds on the device."""
        held = (self.codes, self.scales, self.zeros, self.minima, self.levels, self.upper, self.column_order)
        return [tensor for tensor in held if tensor is not None]

    def dequantize(self, start: int = 0, end: int | None = None) -> Tensor:
        """The rows ``start : end``: [end - start, columns], float32."""
        return self._in_order(self._numbers(slice(start, end)))

    def take(self, rows: Tensor) -> Tensor:
        """Some rows: [len(rows), columns], float32."""
        return self._in_order(self._numbers(rows))

    def multiply(self, inputs: Tensor) -> Tensor:
        """``inputs @ weight.T``: [T, rows], of the inputs' dtype.

        The columns of both stay as the codes are stored: moving those of the inputs is far less work.
        """
        columns = columns_of_block(self.bits)
        places = inputs.view(len(inputs), -1, 4, columns // 16, 4).permute(0, 1, 3, 4, 2)
        inputs = places.reshape(inputs.shape)
        step = rows_at_a_time(self)
        parts = [self._numbers(slice(start, start + step)) for start in range(0, self.rows, step)]
        return torch.cat([inputs @ part.to(inputs.dtype).T for part in parts], -1)

    def _numbers(self, rows: slice | Tensor) -> Tensor:
        """Some rows with the columns of each block in the order of its bytes, lowest bits first: float32."""
        codes = self._codes(rows)
        count, columns = len(codes), columns_of_block(self.bits)
        # Two groups of 16 in a block of 32: what a byte holds belongs to the first where it is one of the first two.
        within = columns // self.group
        one_group = (columns // 4, within, 4 // within) if within else (self.group,)
        one_number = (1, within, 1) if within else (1,)

        def of_groups(values: Tensor) -> Tensor:
            return values.reshape(count, -1, *one_number).float()

        numbers = codes.view(count, -1, *one_group).float()
        scales = self.scales[rows]
        if self.levels is not None:
            levels = self.levels[rows].float().unsqueeze(2)
            small = scales.view(torch.int8 if levels.shape[-1] == 1 else torch.uint8)
            multiplied = small.view(count, -1, 256 // self.group, levels.shape[-1]) * levels
            scales = of_groups(multiplied[..., 0])
            if levels.shape[-1] == 2:
                return torch.addcmul(of_groups(multiplied[..., 1]).neg_(), numbers, scales).view(count, -1)
        scales = of_groups(scales)
        if self.minima is not None:
            numbers = torch.addcmul(of_groups(self.minima[rows]), numbers, scales)
        elif self.zeros is not None:
            numbers = numbers.sub_(of_groups(self.zeros[rows])).mul_(scales)
        else:
            numbers = numbers.sub_(self.zero).mul_(scales)
        return numbers.view(count, -1)

    def _codes(self, rows: slice | Tensor) -> Tensor:
        """Whole codes in that order, uint8 [rows, columns]."""
        codes = self.codes[rows].view(torch.uint8)
        if self.bits == 8:
            return codes
        count, parts = len(codes), 8 // self.bits  # of a byte
        codes = codes.view(count, -1, 1, 4, 4)
        codes = torch.cat([codes >> self.bits * part & (1 << self.bits) - 1 for part in range(parts)], 2)
        if self.upper is not None:
            words = self.upper[rows].view(count, -1, 1, 4, 1)
            # Part p of byte b of 32 bits is code ``parts * b + p`` of its word.
            code = torch.arange(4 * parts, dtype=words.dtype, device=words.device).view(4, parts).T.unsqueeze(1)
            above = words >> code * self.upper_bits & (1 << self.upper_bits) - 1
            codes |= above.to(torch.uint8) << self.bits
        return codes.view(count, -1)

    def _in_order(self, numbers: Tensor) -> Tensor:
        """What `_numbers` gave, with the columns in order."""
        halves = columns_of_block(self.bits) // 16
        return numbers.view(len(numbers), -1, halves, 4, 4).permute(0, 1, 4, 2, 3).reshape(numbers.shape)


TorchWeight: TypeAlias = FloatWeight | GroupedWeight


def rows_at_a_time(weight: TorchWeight) -> int:
    """How many rows of a weight are dequantised together: as many as a processor's cache holds, elsewhere many."""
    weights = _CACHED if weight.tensors()[0].device.type == "cpu" else _MANY
    return max(1, weights // weight.columns)
