"""`SafetensorsFile`: the tensors of a safetensors file, mapped into memory.

Format: https://github.com/huggingface/safetensors#format: the length of a JSON header as a little-endian 64-bit
integer, the header, then the tensors' bytes, at offsets that the header names.
"""

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, StorageDenied, UnsupportedModel
from sevenb.model.gguf_header import quoted
from sevenb.model.mapped_file import MappedFile

_TYPES = {"F32": QuantType.F32, "F16": QuantType.F16, "BF16": QuantType.BF16}
# Bytes of an element, of all types that the format knows and of which each takes whole bytes.
_WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "F8_E4M3FNUZ": 1, "F8_E5M2FNUZ": 1,
    "U16": 2, "I16": 2, "F16": 2, "BF16": 2, "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8, "C64": 8,
}  # fmt: skip
_LARGEST_HEADER = 100_000_000  # bytes, as in the original reader
_LENGTH_BYTES = 8
_MAX_TENSORS, _MAX_DIMENSIONS = 1 << 19, 8


@dataclass(frozen=True)
class SafetensorsEntry:
    """A tensor as it lies in the file; ``dtype`` is the file's own name of its type: ``F16``, ``I32``."""

    file: str
    name: str
    dtype: str
    shape: tuple[int, ...]
    data: npt.NDArray[np.uint8] = field(repr=False)

    def tensor(self, name: str | None = None) -> RawTensor:
        """The tensor, under another ``name`` perhaps. Raises `UnsupportedModel` for all but F32, F16 and BF16."""
        if self.dtype not in _TYPES:
            raise UnsupportedModel(
                f"{self.file} holds tensor {quoted(self.name)} as {self.dtype}, which sevenb does not read; "
                f"save it as one of {', '.join(_TYPES)}."
            )
        return RawTensor(name or self.name, _TYPES[self.dtype], self.shape, self.data)


@dataclass(frozen=True)
class SafetensorsFile:
    """Tensors by name. Their ``data`` are views of the file's mapping, which lives as long as any view of it."""

    path: Path
    entries: Mapping[str, SafetensorsEntry]
    file: MappedFile = field(repr=False)

    @property
    def tensors(self) -> Mapping[str, RawTensor]:
        """All entries as tensors. Raises `UnsupportedModel` where one is of no type that we compute with."""
        return MappingProxyType({name: entry.tensor() for name, entry in self.entries.items()})

    @classmethod
    def open(cls, path: Path) -> "SafetensorsFile":
        """Read the header. Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`."""
        file = _map(path)
        entries = {entry.name: entry for entry in _entries(path, file.data)}
        if not entries:
            _corrupt(path, "it holds no tensors")
        return cls(path, MappingProxyType(entries), file)


def _map(path: Path) -> MappedFile:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CorruptModelFile(f"{path} is not a regular file; name a safetensors file on a disk.")
        return MappedFile(path)
    except FileNotFoundError:
        raise ModelNotFound(f"There is no file {path}; check the path.") from None
    except PermissionError:
        raise StorageDenied(f"{path} cannot be read by this user; change its permissions.") from None
    except (OSError, ValueError) as error:
        raise CorruptModelFile(f"{path} cannot be read ({error}); check the disk it lies on.") from None


def _entries(path: Path, data: npt.NDArray[np.uint8]) -> Iterator[SafetensorsEntry]:
    length = int.from_bytes(data[:_LENGTH_BYTES].tobytes(), "little")
    start = _LENGTH_BYTES + length
    if data[:20].tobytes() == b"version https://git-":
        _corrupt(path, "it is a Git LFS pointer, and `git lfs pull` fetches the file it stands for")
    if not len(data):
        _corrupt(path, "it is empty")
    if data[:4].tobytes() == b"GGUF":
        _corrupt(path, "it is a GGUF file, whose name should end in .gguf")
    if length > _LARGEST_HEADER or start > len(data):
        _corrupt(path, f"its header would have {length:,} bytes, and the file has {len(data):,}")
    try:
        header = json.loads(data[_LENGTH_BYTES:start].tobytes())
    except (ValueError, RecursionError):
        _corrupt(path, "its header is no JSON")
    if not isinstance(header, dict):
        _corrupt(path, "its header is no JSON object")
    if len(header) > _MAX_TENSORS:
        _corrupt(path, f"it claims {len(header):,} tensors")
    body = data[start:]
    ends: list[tuple[int, int, str]] = []
    for name, entry in header.items():
        if name != "__metadata__":
            yield _entry(path, name, entry, body)
            ends.append((*entry["data_offsets"], name))
    ends.sort()
    for (_, end, name), (start, _, other) in pairwise(ends):
        if start < end:
            _corrupt(path, f"tensors {quoted(name)} and {quoted(other)} share bytes")


def _entry(path: Path, name: str, entry: Any, body: npt.NDArray[np.uint8]) -> SafetensorsEntry:
    if not (isinstance(entry, dict) and _counts(entry.get("shape")) and _counts(entry.get("data_offsets"), 2)):
        _corrupt(path, f"its header says of tensor {quoted(name)} {entry!r:.80}")
    if len(entry["shape"]) > _MAX_DIMENSIONS:
        _corrupt(path, f"tensor {quoted(name)} has {len(entry['shape'])} dimensions")
    dtype, shape, (first, last) = entry.get("dtype"), tuple(entry["shape"]), entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in _WIDTHS:
        raise UnsupportedModel(
            f"{path.name} holds tensor {quoted(name)} as {dtype!r:.40}, which sevenb does not read; "
            f"save it as one of {', '.join(_TYPES)}."
        )
    if last > len(body):
        _corrupt(path, f"tensor {quoted(name)} ends at byte {last:,} of {len(body):,}")
    if last - first != prod(shape) * _WIDTHS[dtype]:
        _corrupt(path, f"tensor {quoted(name)} does not lie in the file as its shape needs")
    return SafetensorsEntry(path.name, name, dtype, shape, body[first:last])


def _counts(value: Any, length: int | None = None) -> bool:
    """Whether this is a list (of that length) of integers that are not negative."""
    return (
        isinstance(value, list)
        and (length is None or len(value) == length)
        and all(type(number) is int and number >= 0 for number in value)
    )


def _corrupt(path: Path, reason: str) -> NoReturn:
    raise CorruptModelFile(f"{path.name} is not a whole, valid safetensors file: {reason}; download it again.")
