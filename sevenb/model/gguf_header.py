"""Reads a GGUF header from front to back and believes nothing in it before it is checked.

Source: the GGUF specification (``docs/gguf.md`` of ggml); type numbers from ``ggml.h``.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NoReturn, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.gguf_strings import StringArray, walk_strings

MetadataValue: TypeAlias = int | float | bool | str | StringArray | npt.NDArray[np.generic]

# Far above any real model (a 1,000-layer one has 12,000 tensors); below what would keep a reader busy for long.
_MAX_METADATA_ENTRIES = 1 << 16
_MAX_TENSORS = 1 << 17
_MAX_STRINGS = 1 << 21

_MAX_DIMENSIONS = 4
_DEFAULT_ALIGNMENT = 32
_BOOL, _STRING, _ARRAY = 7, 8, 9
_NUMBERS = {
    number: np.dtype(code)
    for number, code in {
        0: "<u1", 1: "<i1", 2: "<u2", 3: "<i2", 4: "<u4", 5: "<i4", 6: "<f4", 10: "<u8", 11: "<i8", 12: "<f8",
    }.items()
}  # fmt: skip

_SUPPORTED_TYPES = {quant_type.value: quant_type for quant_type in QuantType if quant_type.in_files}
_UNSUPPORTED_TYPES = {
    4: "Q4_2", 5: "Q4_3", 9: "Q8_1", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL",
    21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
    31: "Q4_0_4_4", 32: "Q4_0_4_8", 33: "Q4_0_8_8", 34: "TQ1_0", 35: "TQ2_0", 36: "IQ4_NL_4_4", 37: "IQ4_NL_4_8",
    38: "IQ4_NL_8_8", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0",
}  # fmt: skip


@dataclass(frozen=True)
class Header:
    """What one GGUF file says of itself; the tensors' ``data`` are views of the file's bytes."""

    version: int
    metadata: dict[str, MetadataValue]
    tensors: dict[str, RawTensor]


def read_header(data: npt.NDArray[np.uint8], name: str) -> Header:
    """Read the header of a GGUF file whose bytes are ``data``, ``[file size]``; ``name`` stands in the errors.

    Raises `CorruptModelFile` and `UnsupportedModel`, nothing else, whatever the bytes are.
    """
    cursor = _Cursor(data, name)
    version, tensor_count, metadata_count = cursor.start()
    metadata: dict[str, MetadataValue] = {}
    for _ in range(metadata_count):
        key = cursor.string("a metadata key")
        if key in metadata:
            corrupt(name, f"the metadata key {quoted(key)} occurs twice")
        metadata[key] = cursor.value(key)
    alignment = metadata.get("general.alignment", _DEFAULT_ALIGNMENT)
    if not isinstance(alignment, int) or alignment <= 0 or alignment & (alignment - 1):
        corrupt(name, f"general.alignment is {alignment!r}, not a power of two")
    entries = [cursor.tensor_entry() for _ in range(tensor_count)]
    return Header(version, metadata, cursor.locate(entries, alignment))


def corrupt(name: str, reason: str) -> NoReturn:
    """Raise `CorruptModelFile` for the file ``name``."""
    raise CorruptModelFile(f"{name} is not a whole, valid GGUF file: {reason}; download it again.")


def quoted(text: str) -> str:
    """A name out of a file that may be hostile: short, and without control characters."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


@dataclass(frozen=True)
class _TensorEntry:
    """A row of the tensor table, not yet compared with the file's size."""

    name: str
    quant_type: QuantType
    shape: tuple[int, ...]
    offset: int


class _Cursor:
    """Walks through a header; every read is checked against the file's end first."""

    def __init__(self, data: npt.NDArray[np.uint8], name: str) -> None:
        self._data = data
        self._name = name
        self._position = 0

    def _corrupt(self, reason: str) -> NoReturn:
        corrupt(self._name, reason)

    # -- numbers and strings ---------------------------------------------------------------------------

    def _take(self, size: int, what: str) -> bytes:
        if size > len(self._data) - self._position:
            self._corrupt(
                f"it has {len(self._data):,} bytes, but {what} at byte {self._position:,} needs {size:,} more bytes"
            )
        start = self._position
        self._position += size
        return self._data[start : self._position].tobytes()

    def _u32(self, what: str) -> int:
        return int.from_bytes(self._take(4, what), "little")

    def _u64(self, what: str) -> int:
        return int.from_bytes(self._take(8, what), "little")

    def string(self, what: str) -> str:
        text = self._take(self._u64(f"the length of {what}"), what)
        try:
            return text.decode()
        except UnicodeDecodeError:
            self._corrupt(f"{what} is not UTF-8 text: {text[:40]!r}")

    # -- the front -------------------------------------------------------------------------------------

    def start(self) -> tuple[int, int, int]:
        """Check magic and version; return the version and how many tensors and metadata entries follow."""
        if self._data[:4].tobytes() != b"GGUF":
            raise CorruptModelFile(f"{self._name} is not a GGUF file: {_looks_like(self._data[:512].tobytes())}.")
        self._position = 4
        version = self._u32("the version")
        if version not in (2, 3):
            swapped = int.from_bytes(version.to_bytes(4, "little"), "big")
            kind = "big-endian GGUF" if 1 <= swapped <= 3 else f"GGUF version {version}"
            raise UnsupportedModel(
                f"{self._name} is {kind}; sevenb reads little-endian GGUF of versions 2 and 3: convert the model again."
            )
        tensors = self._u64("the tensor count")
        entries = self._u64("the metadata count")
        if tensors > _MAX_TENSORS:
            self._corrupt(f"it claims {tensors:,} tensors")
        if entries > _MAX_METADATA_ENTRIES:
            self._corrupt(f"it claims {entries:,} metadata entries")
        return version, tensors, entries

    # -- metadata --------------------------------------------------------------------------------------

    def value(self, key: str) -> MetadataValue:
        what = f"the value of {quoted(key)}"
        value_type = self._u32(f"the type of {quoted(key)}")
        if value_type == _STRING:
            return self.string(what)
        if value_type == _ARRAY:
            return self._array(key)
        if value_type == _BOOL:
            return self._take(1, what) != b"\0"
        if value_type in _NUMBERS:
            dtype = _NUMBERS[value_type]
            return cast(int | float, np.frombuffer(self._take(dtype.itemsize, what), dtype).item())
        self._corrupt(f"{what} has the unknown type {value_type}")

    def _array(self, key: str) -> MetadataValue:
        what = f"the array {quoted(key)}"
        item_type = self._u32(f"the item type of {what}")
        count = self._u64(f"the length of {what}")
        if item_type == _STRING:
            return self._string_array(key, what, count)
        if item_type == _ARRAY:
            raise UnsupportedModel(
                f"{self._name} has arrays inside {what}, which sevenb does not read; convert the model again."
            )
        dtype = np.dtype("?") if item_type == _BOOL else _NUMBERS.get(item_type)
        if dtype is None:
            self._corrupt(f"{what} holds items of the unknown type {item_type}")
        content = self._take(count * dtype.itemsize, what)
        if item_type == _BOOL:
            return np.frombuffer(content, np.uint8).astype(np.bool_)
        return np.frombuffer(content, dtype)

    def _string_array(self, key: str, what: str, count: int) -> StringArray:
        if count > _MAX_STRINGS or count * 8 > len(self._data) - self._position:
            self._corrupt(f"{what} claims {count:,} strings")
        try:
            starts = walk_strings(self._data, self._position, count)
        except ValueError as error:
            self._corrupt(f"in {what}, {error}")
        self._position = int(starts[-1]) - 8
        return StringArray(self._data, starts, self._name, quoted(key))

    # -- tensors ---------------------------------------------------------------------------------------

    def tensor_entry(self) -> _TensorEntry:
        name = self.string("a tensor's name")
        what = f"tensor {quoted(name)}"
        dimensions = self._u32(f"the number of dimensions of {what}")
        if not 1 <= dimensions <= _MAX_DIMENSIONS:
            self._corrupt(f"{what} has {dimensions} dimensions")
        # The file names the fastest-running dimension first.
        shape = tuple(reversed(struct.unpack(f"<{dimensions}Q", self._take(8 * dimensions, f"the shape of {what}"))))
        if 0 in shape:
            self._corrupt(f"{what} has the shape {shape}")
        quant_type = self._quant_type(self._u32(f"the type of {what}"), what)
        if shape[-1] % quant_type.block_size:
            self._corrupt(
                f"{what} has rows of {shape[-1]} weights, no multiple of the {quant_type.block_size} in a "
                f"{quant_type.name} block"
            )
        return _TensorEntry(name, quant_type, shape, self._u64(f"the offset of {what}"))

    def _quant_type(self, number: int, what: str) -> QuantType:
        if number in _SUPPORTED_TYPES:
            return _SUPPORTED_TYPES[number]
        if number in _UNSUPPORTED_TYPES:
            raise UnsupportedModel(
                f"{self._name} holds {what} as {_UNSUPPORTED_TYPES[number]}, which sevenb cannot compute with; "
                f"choose a file made of {', '.join(QuantType.__members__)}."
            )
        self._corrupt(f"{what} has the unknown type {number}")

    def locate(self, entries: list[_TensorEntry], alignment: int) -> dict[str, RawTensor]:
        """Give every table entry its bytes, once all of them are known to lie in the file and apart from each other."""
        data_start = -(-self._position // alignment) * alignment
        tensors: dict[str, RawTensor] = {}
        for entry in entries:
            what = f"tensor {quoted(entry.name)}"
            if entry.name in tensors:
                self._corrupt(f"{what} occurs twice")
            if entry.offset % alignment:
                self._corrupt(f"{what} begins at offset {entry.offset}, no multiple of the alignment {alignment}")
            tensors[entry.name] = self._located(entry, what, data_start + entry.offset)
        self._check_apart(entries, tensors)
        return tensors

    def _located(self, entry: _TensorEntry, what: str, start: int) -> RawTensor:
        size = entry.quant_type.row_bytes(entry.shape[-1])
        for length in entry.shape[:-1]:
            size *= length
        if start + size > len(self._data):
            self._corrupt(f"{what} ends at byte {start + size:,}, but the file has only {len(self._data):,} bytes")
        return RawTensor(entry.name, entry.quant_type, entry.shape, self._data[start : start + size])

    def _check_apart(self, entries: list[_TensorEntry], tensors: Mapping[str, RawTensor]) -> None:
        end, before = 0, ""
        for entry in sorted(entries, key=lambda entry: entry.offset):
            if entry.offset < end:
                self._corrupt(f"the tensors {quoted(before)} and {quoted(entry.name)} overlap")
            end, before = entry.offset + tensors[entry.name].data.size, entry.name


def _looks_like(head: bytes) -> str:
    """What a file that is no GGUF file probably is, and what to do then."""
    text = head.lstrip().lower()
    if not head:
        return "it is empty; download it again"
    if not head.strip(b"\0"):
        return "it begins with zeros, like a download that never finished; download it again"
    if head.startswith(b"version https://git-lfs"):
        return "it is a Git LFS pointer; fetch the file it stands for with `git lfs pull`"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page, perhaps a server's error message; download it again"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return "it looks like safetensors; choose the GGUF file of the model"
    if text.startswith(b"{"):
        return "it is JSON text, perhaps a server's error message; download it again"
    if head.startswith(b"PK\3\4"):
        return "it is a zip archive or a PyTorch checkpoint; choose the GGUF file of the model"
    if head.startswith((b"lmgg", b"fmgg", b"tjgg")):
        return "it is in GGML, the format before GGUF; convert the model again"
    if head.startswith(b"FUGG"):
        return "it looks like GGUF in big-endian order; choose a little-endian file"
    return f"it begins with {head[:4]!r}; choose a .gguf file or download it again"
