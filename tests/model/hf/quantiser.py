"""Matrices rounded to nearest and packed as AutoAWQ and GPTQ pack them, and the numbers that such a file means."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Arrays = dict[str, npt.NDArray[Any]]

_AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)  # which of eight columns the nibbles of a word hold, lowest first


@dataclass(frozen=True)
class Rounding:
    """How a checkpoint is quantised, and the ``quantization_config`` that says so."""

    method: str  # "awq" | "gptq"
    bits: int = 4
    group_size: int = 128
    symmetric: bool = False
    act_order: bool = False
    checkpoint_format: str = "gptq"

    @property
    def config(self) -> dict[str, Any]:
        if self.method == "awq":
            return {
                "bits": self.bits,
                "group_size": self.group_size,
                "modules_to_not_convert": None,
                "quant_method": "awq",
                "version": "gemm",
                "zero_point": not self.symmetric,
            }
        return {
            "bits": self.bits,
            "checkpoint_format": self.checkpoint_format,
            "damp_percent": 0.01,
            "desc_act": self.act_order,
            "group_size": self.group_size,
            "quant_method": "gptq",
            "static_groups": False,
            "sym": self.symmetric,
            "true_sequential": True,
        }


@dataclass(frozen=True)
class RoundedMatrix:
    """Integers [outputs, inputs] with a scale and a zero point for each output and group [outputs, groups]."""

    codes: npt.NDArray[np.uint32]
    scales: npt.NDArray[np.float16]
    zeros: npt.NDArray[np.uint32]
    groups: npt.NDArray[np.int32]  # [inputs], the group of each
    rounding: Rounding

    @property
    def values(self) -> FloatArray:
        """What the file means: [outputs, inputs]."""
        scales, zeros = self.scales.astype(np.float32), self.zeros.astype(np.float32)
        values: FloatArray = scales[:, self.groups] * (self.codes.astype(np.float32) - zeros[:, self.groups])
        return values

    def arrays(self) -> Arrays:
        """The tensors of the module in the method's own layout."""
        if self.rounding.method == "awq":
            return {
                "qweight": _packed(_interleaved(self.codes.T), 4),
                "qzeros": _packed(_interleaved(self.zeros.T), 4),
                "scales": np.ascontiguousarray(self.scales.T),
            }
        bits = self.rounding.bits
        zeros = _packed(self.zeros.T, bits).view(np.uint32)
        if self.rounding.checkpoint_format == "gptq":  # stored less one
            zeros = zeros - np.uint32(sum(1 << shift for shift in range(0, 32, bits)))
        return {
            "qweight": np.ascontiguousarray(_packed(self.codes, bits).T),
            "qzeros": zeros.view(np.int32),
            "scales": np.ascontiguousarray(self.scales.T),
            "g_idx": self.groups,
        }


def rounded(values: FloatArray, rounding: Rounding) -> RoundedMatrix:
    """A matrix [outputs, inputs], each number rounded to the nearest that its group has."""
    outputs, inputs = values.shape
    size = inputs if rounding.group_size == -1 else rounding.group_size
    # With act-order, inputs that matter most come first into groups; here those with the largest weights.
    order = np.argsort(-np.square(values).sum(axis=0), kind="stable") if rounding.act_order else np.arange(inputs)
    groups = np.empty(inputs, np.int32)
    groups[order] = np.arange(inputs) // size
    grouped = values[:, order].reshape(outputs, -1, size)
    largest = 2**rounding.bits - 1
    if rounding.symmetric:
        scales = 2 * np.abs(grouped).max(axis=-1) / largest
        zeros = np.full(scales.shape, (largest + 1) // 2, np.uint32)
    else:
        low, high = np.minimum(grouped.min(axis=-1), 0), np.maximum(grouped.max(axis=-1), 0)
        scales = (high - low) / largest
        zeros = np.rint(-low / np.where(scales > 0, scales, 1)).astype(np.uint32)
    halves = np.where(scales > 0, scales, 1).astype(np.float16)
    divisor, offset = halves.astype(np.float32)[:, groups], zeros[:, groups].astype(np.float32)
    codes = np.clip(np.rint(values / divisor) + offset, 0, largest).astype(np.uint32)
    return RoundedMatrix(codes, halves, zeros, groups, rounding)


def _interleaved(numbers: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint32]:
    return numbers.reshape(len(numbers), -1, 8)[..., _AWQ_ORDER].reshape(numbers.shape)


def _packed(numbers: npt.NDArray[np.uint32], bits: int) -> npt.NDArray[np.int32]:
    """Neighbours in a row in one int32, the first in the lowest bits."""
    shifts = np.arange(0, 32, bits, dtype=np.uint32)
    words = numbers.reshape(len(numbers), -1, len(shifts)) << shifts
    packed: npt.NDArray[np.int32] = np.bitwise_or.reduce(words, axis=-1).view(np.int32)
    return packed
