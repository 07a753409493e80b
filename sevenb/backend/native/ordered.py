"""`OrderedMatrix`: a packed matrix whose columns stand in another order than the inputs they meet."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from sevenb.backend.native import _kernels
from sevenb.backend.protocol import FloatArray, IntArray


@dataclass(frozen=True)
class OrderedMatrix:
    """Column j of ``matrix`` meets input ``order[j]``: GPTQ's act-order.

    Columns that share a scale must stand together, so it is the inputs that are brought into their order: as exact
    as without, for a copy of the inputs a product.
    """

    matrix: _kernels.PackedMatrix
    order: IntArray

    @property
    def rows(self) -> int:
        """Outputs."""
        return self.matrix.rows


NativeWeight: TypeAlias = _kernels.PackedMatrix | OrderedMatrix
NativeHead: TypeAlias = NativeWeight | _kernels.SplitMatrix


def matrix_of(weight: NativeWeight) -> _kernels.PackedMatrix:
    """The packed matrix, in whatever order its columns stand."""
    return weight.matrix if isinstance(weight, OrderedMatrix) else weight


def is_ordered(*weights: NativeWeight) -> bool:
    """Whether any of them wants its inputs in another order."""
    return any(isinstance(weight, OrderedMatrix) for weight in weights)


def in_order_of(weight: NativeWeight, inputs: FloatArray) -> FloatArray:
    """Inputs [..., columns] as the weight's columns meet them."""
    if not isinstance(weight, OrderedMatrix):
        return inputs
    ordered: FloatArray = np.take(inputs, weight.order, axis=-1)
    return ordered


def norm_project(
    workspace: _kernels.Workspace,
    hidden: FloatArray,
    norm: FloatArray,
    norm_eps: float,
    weight: NativeWeight,
    rows: IntArray | None = None,
) -> FloatArray:
    """RMS norm of some rows of ``hidden`` [T, H] (None: all), then the product: [R, outputs]."""
    if rows is None:
        rows = np.arange(len(hidden), dtype=np.int32)
    elif is_ordered(weight):
        hidden, rows = hidden[rows], np.arange(len(rows), dtype=np.int32)
    outputs = np.empty((len(rows), weight.rows), np.float32)
    _kernels.logits(
        workspace,
        in_order_of(weight, hidden),
        rows,
        in_order_of(weight, norm),
        norm_eps,
        matrix_of(weight),
        outputs,
    )
    return outputs
