"""`SafetensorsFile`: the tensors of a safetensors file, mapped into memory.

Format: https://github.com/huggingface/safetensors#format: the length of a JSON header as a little-endian 64-bit
integer, the header, then the tensors' bytes, at offsets that the header names.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from types import MappingProxyType
from typing import Any, NoReturn

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, StorageDenied, UnsupportedModel
from sevenb.model.gguf_header import quoted
from sevenb.model.mapped_file import MappedFile

_TYPES = {"F32": QuantType.F32, "F16": QuantType.F16, "BF16": QuantType.BF16}
_LARGEST_HEADER = 100_000_000  # bytes, as in the original reader
_LENGTH_BYTES = 8


@dataclass(frozen=True)
class SafetensorsFile:
    """Tensors by name. A tensor's ``data`` is a view of the file's mapping, which lives as long as any view of it."""

    path: Path
    tensors: Mapping[str, RawTensor]

    @classmethod
    def open(cls, path: Path) -> "SafetensorsFile":
        """Read the header. Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`."""
        try:
            data = MappedFile(path).data
        except FileNotFoundError:
            raise ModelNotFound(f"There is no file {path}; check the path.") from None
        except PermissionError:
            raise StorageDenied(f"{path} cannot be read by this user; change its permissions.") from None
        except (OSError, ValueError) as error:
            raise CorruptModelFile(f"{path} cannot be read ({error}); check the disk it lies on.") from None
        length = int.from_bytes(data[:_LENGTH_BYTES].tobytes(), "little")
        start = _LENGTH_BYTES + length
        if length > _LARGEST_HEADER or start > len(data):
            _corrupt(path, f"its header would have {length:,} bytes, and the file has {len(data):,}")
        try:
            header = json.loads(data[_LENGTH_BYTES:start].tobytes())
        except (ValueError, RecursionError):
            _corrupt(path, "its header is no JSON")
        if not isinstance(header, dict):
            _corrupt(path, "its header is no JSON object")
        body = data[start:]
        tensors: dict[str, RawTensor] = {}
        for name, entry in header.items():
            if name != "__metadata__":
                quant_type, shape, (first, last) = _entry(path, name, entry)
                if last > len(body) or last - first != prod(shape) * quant_type.block_bytes:
                    _corrupt(path, f"tensor {quoted(name)} does not lie in the file as its shape needs")
                tensors[name] = RawTensor(name, quant_type, shape, body[first:last])
        return cls(path, MappingProxyType(tensors))


def _entry(path: Path, name: str, entry: Any) -> tuple[QuantType, tuple[int, ...], tuple[int, int]]:
    """Type, shape and offsets of a tensor, none of them negative."""
    if not (isinstance(entry, dict) and _counts(entry.get("shape")) and _counts(entry.get("data_offsets"), 2)):
        _corrupt(path, f"its header says of tensor {quoted(name)} {entry!r:.80}")
    if entry.get("dtype") not in _TYPES:
        raise UnsupportedModel(
            f"{path.name} holds tensor {quoted(name)} as {entry.get('dtype')!r:.40}, which sevenb does not read; "
            f"save it as one of {', '.join(_TYPES)}."
        )
    first, last = entry["data_offsets"]
    return _TYPES[entry["dtype"]], tuple(entry["shape"]), (first, last)


def _counts(value: Any, length: int | None = None) -> bool:
    """Whether this is a list (of that length) of integers that are not negative."""
    return (
        isinstance(value, list)
        and (length is None or len(value) == length)
        and all(type(number) is int and number >= 0 for number in value)
    )


def _corrupt(path: Path, reason: str) -> NoReturn:
    raise CorruptModelFile(f"{path.name} is not a whole, valid safetensors file: {reason}; download it again.")
