"""Rows and columns of a stored matrix, as a matrix of their own that is made when it is read."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize

Bytes = npt.NDArray[np.uint8]
Indices = range | npt.NDArray[np.int32]


def take_rows(tensor: RawTensor, rows: Indices) -> RawTensor:
    """Some rows of a matrix, or elements of a vector, in the order of ``rows``."""
    return replace(tensor, shape=(len(rows), *tensor.shape[1:]), stored=partial(_rows, tensor, rows))


def take_columns(tensor: RawTensor, columns: Indices) -> RawTensor:
    """Some input columns of a matrix, in the order of ``columns``.

    They keep their type where they are whole blocks of it; else they become F16 of the exact values.
    """
    quant_type, shape = tensor.quant_type, (tensor.rows, len(columns))
    if tensor.column_order is None and _are_whole_blocks(columns, quant_type.block_size):
        return replace(tensor, shape=shape, stored=partial(_blocks, tensor, columns))
    return RawTensor(tensor.name, QuantType.F16, shape, partial(_halves, tensor, columns))


def _are_whole_blocks(columns: Indices, block_size: int) -> bool:
    if block_size == 1:
        return True
    return isinstance(columns, range) and columns.start % block_size == 0 and len(columns) % block_size == 0


def _rows(tensor: RawTensor, rows: Indices) -> Bytes:
    stored = tensor.data.reshape(tensor.shape[0], -1)
    taken: Bytes = stored[rows.start : rows.stop] if isinstance(rows, range) else stored[rows]
    return taken.reshape(-1)


def _blocks(tensor: RawTensor, columns: Indices) -> Bytes:
    size, width = tensor.quant_type.block_size, tensor.quant_type.block_bytes
    stored = tensor.data.reshape(tensor.rows, -1, width)
    chosen: Bytes = (
        stored[:, columns.start // size : columns.stop // size] if isinstance(columns, range) else stored[:, columns]
    )
    return chosen.reshape(-1)


def _halves(tensor: RawTensor, columns: Indices) -> Bytes:
    values = dequantize(replace(tensor, column_order=None))
    order: Sequence[int] | npt.NDArray[np.int32] = columns
    if tensor.column_order is not None:  # column j of what is stored meets input column_order[j]
        stored_at = np.empty(tensor.columns, np.int32)
        stored_at[tensor.column_order] = np.arange(tensor.columns, dtype=np.int32)
        order = stored_at[columns]
    return np.ascontiguousarray(values[:, order], np.float16).view(np.uint8).reshape(-1)
