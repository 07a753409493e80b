"""Writes GGUF files for tests, and random weights of every quantisation type to put into them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor

_NUMBER_TYPES = {
    "uint8": 0, "int8": 1, "uint16": 2, "int16": 3, "uint32": 4, "int32": 5, "float32": 6, "uint64": 10, "int64": 11,
    "float64": 12, "bool": 7,
}  # fmt: skip
_PYTHON_NUMBERS: dict[type, type[np.generic]] = {bool: np.bool_, int: np.uint32, float: np.float32}
_STRING, _ARRAY = 8, 9

# How wide the integers of a block spread once its float16 scale (and its minimum, that many times as large) is set to
# one, and where in the block the two lie. The minima centre the weights about zero.
_SCALES: dict[QuantType, tuple[float, tuple[tuple[int, float], ...]]] = {
    QuantType.Q4_0: (4.6, ((0, 1),)),
    QuantType.Q4_1: (4.6, ((0, 1), (2, -7.5))),
    QuantType.Q5_0: (9.2, ((0, 1),)),
    QuantType.Q5_1: (9.2, ((0, 1), (2, -15.5))),
    QuantType.Q8_0: (74, ((0, 1),)),
    QuantType.Q2_K: (13, ((80, 1), (82, 1.5))),
    QuantType.Q3_K: (42, ((108, 1),)),
    QuantType.Q4_K: (200, ((0, 1), (2, 7.5))),
    QuantType.Q5_K: (400, ((0, 1), (2, 15.5))),
    QuantType.Q6_K: (1370, ((208, 1),)),
    QuantType.Q4_Z: (4.6, ((0, 1),)),
}


# -- the format ----------------------------------------------------------------------------------------


def string(text: str | bytes) -> bytes:
    """A string as GGUF writes it: length, then bytes."""
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(8, "little") + data


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def metadata_value(value: Any) -> bytes:
    """Type number and value. Python ints become uint32 and floats float32; NumPy scalars and arrays keep their type."""
    if isinstance(value, str | bytes):
        return u32(_STRING) + string(value)
    if isinstance(value, list) and all(isinstance(item, str | bytes) for item in value):
        return u32(_ARRAY) + u32(_STRING) + u64(len(value)) + b"".join(map(string, value))
    if isinstance(value, list):
        value = np.array(value, np.int32 if isinstance(value[0], int) else np.float32)
    if isinstance(value, np.ndarray):
        return u32(_ARRAY) + u32(_NUMBER_TYPES[value.dtype.name]) + u64(len(value)) + value.tobytes()
    if type(value) in _PYTHON_NUMBERS:
        value = _PYTHON_NUMBERS[type(value)](value)
    return u32(_NUMBER_TYPES[value.dtype.name]) + bytes(value.tobytes())


def encode(
    metadata: Mapping[str, Any], tensors: Sequence[RawTensor] = (), *, version: int = 3, alignment: int = 32
) -> bytes:
    """A whole GGUF file. ``alignment`` is applied; to be read so it must stand in the metadata too."""
    header = b"GGUF" + u32(version) + u64(len(tensors)) + u64(len(metadata))
    for key, value in metadata.items():
        header += string(key) + metadata_value(value)
    data = bytearray()
    for tensor in tensors:
        header += tensor_entry(tensor, len(data))
        data += tensor.data.tobytes()
        data += bytes(-len(data) % alignment)
    return header + bytes(-len(header) % alignment) + bytes(data)


def tensor_entry(tensor: RawTensor, offset: int) -> bytes:
    """A row of the tensor table; the file names the fastest-running dimension first."""
    dimensions = b"".join(map(u64, reversed(tensor.shape)))
    return string(tensor.name) + u32(len(tensor.shape)) + dimensions + u32(tensor.quant_type) + u64(offset)


# -- weights -------------------------------------------------------------------------------------------


def float_tensor(name: str, values: npt.ArrayLike) -> RawTensor:
    """An F32 tensor that holds ``values``."""
    array = np.asarray(values, np.float32)
    return RawTensor(name, QuantType.F32, array.shape, array.reshape(-1).view(np.uint8))


def random_tensor(
    rng: np.random.Generator, quant_type: QuantType, shape: tuple[int, ...], spread: float = 0.05, name: str = "weight"
) -> RawTensor:
    """Random bytes of any type, with scales such that the weights lie about zero with a deviation near ``spread``."""
    count = int(np.prod(shape))
    if quant_type.block_size == 1:
        values = rng.normal(0, spread, count).astype(np.float32)
        if quant_type is QuantType.BF16:
            data = np.ascontiguousarray(values.view(np.uint16)[1::2]).view(np.uint8)
        else:
            data = values.astype(np.float32 if quant_type is QuantType.F32 else np.float16).view(np.uint8)
        return RawTensor(name, quant_type, shape, data)
    blocks = rng.integers(0, 256, (count // quant_type.block_size, quant_type.block_bytes), np.uint8)
    deviation, fields = _SCALES[quant_type]
    scales = spread / deviation * rng.uniform(0.5, 1.5, len(blocks))
    for offset, ratio in fields:
        blocks[:, offset : offset + 2] = (scales * ratio).astype(np.float16).reshape(-1, 1).view(np.uint8)
    if quant_type is QuantType.Q4_Z:
        zeros = rng.integers(5, 11, (len(blocks), 1)).astype(np.float16)
        blocks[:, 2:4] = zeros.view(np.uint8)
    return RawTensor(name, quant_type, shape, blocks.reshape(-1))
