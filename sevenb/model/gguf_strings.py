"""String arrays of GGUF headers: a vocabulary of 150,000 tokens is measured in milliseconds and decoded on demand."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import overload

import numpy as np
import numpy.typing as npt

from sevenb.errors import CorruptModelFile

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]

_LENGTH_BYTES = 8
_SEPARATOR = 0  # a character that tokens hardly ever hold
_WINDOW_BYTES = 1 << 16
# A window that yields fewer strings than this is not worth its scan: the next ones are walked one by one.
_WORTHWHILE = 256
_WALKED_AT_ONCE = 1024


class StringArray(Sequence[str]):
    """Strings that lie in a mapped file, decoded as UTF-8 when they are asked for.

    ``starts`` is what `walk_strings` found. A string that is not UTF-8 raises `CorruptModelFile` when it is read, which
    names the file ``source`` and the array ``key``.
    """

    def __init__(self, data: Bytes, starts: Offsets, source: str, key: str) -> None:
        self._data = data
        self._starts = starts
        self._source = source
        self._key = key

    def __len__(self) -> int:
        return len(self._starts) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        positions = range(len(self))[index]
        if isinstance(positions, range):
            return [self[position] for position in positions]
        start, following = self._starts[positions : positions + 2]
        return self._decode(self._data[start : following - _LENGTH_BYTES].tobytes())

    def __iter__(self) -> Iterator[str]:
        return iter(self._decode_together() or self._decode_in_turn())

    def _decode_together(self) -> list[str] | None:
        """All strings decoded at once, a separator for each length field; None where one needs a closer look."""
        if not len(self):
            return []
        base = int(self._starts[0])
        text = self._data[base : int(self._starts[-1]) - _LENGTH_BYTES].copy()
        kept = np.ones(len(text), dtype=np.bool_)
        fields = self._starts[1:-1] - base - _LENGTH_BYTES
        text[fields] = _SEPARATOR
        for byte in range(1, _LENGTH_BYTES):
            kept[fields + byte] = False
        try:
            strings = text[kept].tobytes().decode().split(chr(_SEPARATOR))
        except UnicodeDecodeError:
            return None
        return strings if len(strings) == len(self) else None

    def _decode_in_turn(self) -> Iterator[str]:
        base = int(self._starts[0])
        blob = self._data[base : int(self._starts[-1])].tobytes()
        for start, following in pairwise((self._starts - base).tolist()):
            yield self._decode(blob[start : following - _LENGTH_BYTES])

    def __repr__(self) -> str:
        return f"<{len(self)} strings: {self._key}>"

    def _decode(self, text: bytes) -> str:
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise CorruptModelFile(
                f"{self._source} is not a whole, valid GGUF file: {self._key} holds {text[:40]!r}, which is not UTF-8; "
                "download it again."
            ) from None


def walk_strings(data: Bytes, start: int, count: int) -> Offsets:
    """Find ``count`` strings, each a little-endian uint64 length and its bytes, laid end to end from ``start``.

    Returns the ``count + 1`` offsets in ``data`` where each string's text starts, and where one more would start.
    Raises ValueError when a string runs past the end. The caller has checked that ``count`` lengths fit in.

    Following the lengths one by one costs a Python step a string, so windows of the data are searched for all length
    fields at once: a length below 256 is one byte and seven zeros, which text hardly ever contains. Such a guess is
    believed only where every candidate ends exactly at the next; what it cannot settle is walked.
    """
    starts = np.empty(count + 1, dtype=np.int64)
    starts[0] = start + _LENGTH_BYTES
    done = 0
    while done < count:
        position = int(starts[done]) - _LENGTH_BYTES
        window = data[position : position + _WINDOW_BYTES]
        fields = _chain_of_lengths(window)[: count - done]
        if len(fields) >= _WORTHWHILE:
            following = fields + window[fields] + (position + 2 * _LENGTH_BYTES)
        else:
            following = _walk(data, position, min(_WALKED_AT_ONCE, count - done))
        starts[done + 1 : done + 1 + len(following)] = following
        done += len(following)
        if starts[done] - _LENGTH_BYTES > len(data):
            raise ValueError(f"string {done - 1} of {count} runs past the end of the file")
    return starts


def _walk(data: Bytes, position: int, count: int) -> Offsets:
    """Where the text after each of ``count`` strings starts; stops at the first that runs past the end."""
    view = memoryview(data)  # type: ignore[arg-type]  # the stubs do not know that arrays are buffers
    starts: list[int] = []
    while len(starts) < count and position <= len(data):
        length = int.from_bytes(view[position : position + _LENGTH_BYTES], "little")
        # A hostile length may not fit into 64 bits with a sign; all that lie past the end are alike.
        position += _LENGTH_BYTES + min(length, len(data))
        starts.append(position + _LENGTH_BYTES)
    return np.array(starts, dtype=np.int64)


def _chain_of_lengths(window: Bytes) -> Offsets:
    """Offsets of the length fields that provably follow one another from the start of ``window``; perhaps none."""
    zero = window == 0
    two = zero[:-1] & zero[1:]
    four = two[:-2] & two[2:]
    seven = four[:-3] & four[3:]
    candidates = np.flatnonzero(seven[1:])
    if not len(candidates) or candidates[0] != 0:
        return candidates[:0]
    ends = candidates + _LENGTH_BYTES + window[candidates]
    broken = np.flatnonzero(ends[:-1] != candidates[1:])
    return candidates[: broken[0] + 1] if len(broken) else candidates
