"""What a model's weights are and which kernel multiplies by each, as rows for people."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize

_LAYER = re.compile(r"blk\.\d+\.")
_LOOKED_UP = "rows are looked up"
_VECTORS = "norms and biases"
_USED_AS_THEY_ARE = "float32 vectors"
_SAMPLED_ROWS = 32


@dataclass(frozen=True)
class WeightRow:
    """``count`` tensors of one role (``ffn_gate``), type, shape and kernel; ``bytes`` is what they take together.

    Norms and biases, of whatever length, are one role; its shape is ().
    """

    name: str
    count: int
    shape: tuple[int, ...]
    quant_type: QuantType
    bytes: int
    kernel: str


def weight_table(
    tensors: Mapping[str, RawTensor], kernel_for: Callable[[RawTensor], str], *, every_tensor: bool = False
) -> list[WeightRow]:
    """One row for all tensors that are alike, the largest first, or one for ``every_tensor`` in the file's order.

    ``kernel_for`` names the kernel that multiplies by a matrix.
    """
    return list(_rows(tensors, kernel_for) if every_tensor else _grouped(_rows(tensors, kernel_for)))


def head_repeats_embedding(tensors: Mapping[str, RawTensor]) -> bool:
    """Whether the output head is the embedding once more, perhaps in another weight type: as many weights fewer.

    Some of the rows are compared; two roundings of the same numbers point into the same direction.
    """
    table, head = tensors.get("token_embd.weight"), tensors.get("output.weight")
    if table is None or head is None or table.shape != head.shape:
        return False
    one, other = (dequantize(_some_rows(tensor)).astype(np.float64).ravel() for tensor in (table, head))
    return bool(one @ other > 0.9 * np.sqrt((one @ one) * (other @ other)) > 0)


def _rows(tensors: Mapping[str, RawTensor], kernel_for: Callable[[RawTensor], str]) -> Iterator[WeightRow]:
    for tensor in tensors.values():
        name = tensor.name.removesuffix(".weight")
        if len(tensor.shape) == 1:
            kernel = _USED_AS_THEY_ARE
        elif name == "token_embd" and "output.weight" in tensors:
            kernel = _LOOKED_UP
        else:
            kernel = kernel_for(tensor)
        yield WeightRow(name, 1, tensor.shape, tensor.quant_type, tensor.nbytes, kernel)


def _grouped(rows: Iterable[WeightRow]) -> Iterable[WeightRow]:
    groups: dict[tuple[object, ...], WeightRow] = {}
    for row in rows:
        matrix = len(row.shape) == 2
        role, shape = (_LAYER.sub("", row.name), row.shape) if matrix else (_VECTORS, ())
        key = (role, shape, row.quant_type, row.kernel)
        known = groups.get(key, replace(row, name=role, shape=shape, count=0, bytes=0))
        groups[key] = replace(known, count=known.count + 1, bytes=known.bytes + row.bytes)
    return sorted(groups.values(), key=lambda row: row.bytes, reverse=True)


def _some_rows(matrix: RawTensor) -> RawTensor:
    rows = np.linspace(0, matrix.rows - 1, num=min(_SAMPLED_ROWS, matrix.rows), dtype=np.int64)
    data = matrix.data.reshape(matrix.rows, -1)[rows].ravel()
    return replace(matrix, shape=(len(rows), matrix.columns), stored=data)
