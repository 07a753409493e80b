"""The paged KV cache on a torch device.

Integers and 8-bit floats follow the rules of `sevenb.backend.reference.quantized_kv`: heads are turned by a Hadamard
transform before they are rounded, keys relative to a centre that 256 positions share. What is stored stays turned.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sevenb.backend.protocol import KVLayout
from sevenb.backend.torch.devices import upload
from sevenb.errors import InvalidRequest, OutOfMemory

CENTRE_SPAN = 256  # positions that share a centre
CENTRE_LARGEST = 127.0

_PLAIN = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
_ROUNDED = {"int8": (torch.int8, 127.0), "fp8": (torch.float8_e4m3fn, 448.0)}  # the largest magnitude of a code


@dataclass(frozen=True, eq=False)
class TorchKVCache:
    """Keys and values, each [layers, blocks + 1, kv_heads, block_size, head_dim]; the last block is for padding.

    Where they are codes, a head is ``codes * unit`` and still turned; to a key is added the centre of its span, which
    is kept in the block of the span's first position: ``centre_codes * centre_unit``.
    """

    layout: KVLayout
    keys: Tensor
    values: Tensor
    key_units: Tensor | None = None  # [layers, blocks, kv_heads, block_size] float32
    value_units: Tensor | None = None
    centre_codes: Tensor | None = None  # [layers, blocks, kv_heads, head_dim] int8
    centre_units: Tensor | None = None  # [layers, blocks, kv_heads] float32
    hadamard: Tensor | None = None  # [head_dim, head_dim] float32, its own inverse

    @property
    def padding_block(self) -> int:
        """The block that no sequence has."""
        return int(self.keys.shape[1]) - 1

    @property
    def rounded(self) -> bool:
        """Whether keys and values are codes."""
        return self.key_units is not None

    @property
    def largest(self) -> float:
        """The largest magnitude of a code."""
        return _ROUNDED[self.layout.dtype][1]

    def parts(self) -> list[Tensor]:
        """All that blocks consist of, [layers, blocks, …] each."""
        held = (self.keys, self.values, self.key_units, self.value_units, self.centre_codes, self.centre_units)
        return [part for part in held if part is not None]

    def copy_blocks(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Copy whole blocks ``(source, target)`` over all layers, as if one after another."""
        sources, targets = ([pair[end] for pair in pairs] for end in range(2))
        if len(pairs) > 1 and (not set(sources).isdisjoint(targets) or len(set(targets)) < len(targets)):
            for pair in pairs:
                self.copy_blocks([pair])
            return
        source, target = (upload(np.array(blocks, np.int64), self.keys.device) for blocks in (sources, targets))
        for part in self.parts():
            stored = part.view(torch.uint8) if part.dtype == torch.float8_e4m3fn else part
            stored.index_copy_(1, target, stored.index_select(1, source))

    def read_block(self, block: int) -> bytes:
        """One block over all layers, part after part."""
        return b"".join(_bytes_of(part[:, block]).cpu().numpy().tobytes() for part in self.parts())

    def write_block(self, block: int, contents: bytes) -> None:
        """Put back what `read_block` gave. Raises ValueError when the length is wrong."""
        size = block_bytes(self.layout)
        if len(contents) != size:
            raise ValueError(f"a block of this cache has {size} bytes, not {len(contents)}")
        stored, start = torch.frombuffer(bytearray(contents), dtype=torch.uint8), 0
        for part in self.parts():
            place = part[:, block]
            length = place.numel() * place.element_size()
            place.copy_(stored[start : start + length].to(part.device).view(part.dtype).view(place.shape))
            start += length


def block_bytes(layout: KVLayout) -> int:
    """Bytes of one block over all layers, K and V. Raises `InvalidRequest` for a dtype that this backend lacks."""
    vectors, heads = 2 * layout.block_size, layout.layers * layout.kv_heads
    if layout.dtype in _PLAIN:
        return heads * vectors * layout.head_dim * _PLAIN[layout.dtype].itemsize
    if layout.dtype in _ROUNDED:
        return heads * (vectors + 1) * (layout.head_dim + 4)
    raise InvalidRequest(
        f"The torch backend keeps keys and values as {', '.join([*_PLAIN, *_ROUNDED])}, not as {layout.dtype}; "
        "choose one of these with --kv-cache-dtype.",
        "kv_cache_dtype",
    )


def allocate_kv(layout: KVLayout, blocks: int, device: torch.device) -> TorchKVCache:
    """Room for ``blocks`` blocks, and one for padding. Raises `OutOfMemory`, `InvalidRequest` for an unknown dtype."""
    size = block_bytes(layout) * blocks
    shape = (layout.layers, blocks + 1, layout.kv_heads, layout.block_size, layout.head_dim)
    try:
        if layout.dtype in _PLAIN:
            dtype = _PLAIN[layout.dtype]
            keys, values = (_zeros(shape, dtype, device) for _ in range(2))
            return TorchKVCache(layout, keys, values)
        dtype = _ROUNDED[layout.dtype][0]
        keys, values = (_zeros(shape, dtype, device) for _ in range(2))
        key_units, value_units = (_zeros(shape[:-1], torch.float32, device) for _ in range(2))
        heads = shape[:3]
        centre_codes = _zeros((*heads, layout.head_dim), torch.int8, device)
        centre_units = _zeros(heads, torch.float32, device)
        turn = hadamard(layout.head_dim).to(device)
        return TorchKVCache(layout, keys, values, key_units, value_units, centre_codes, centre_units, turn)
    except (MemoryError, RuntimeError) as error:  # torch's own is a RuntimeError
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "memory" in str(error):
            raise OutOfMemory(
                f"A KV cache of {size / 2**30:.1f} GiB does not fit into the device's memory; lower --max-model-len."
            ) from None
        raise


def _zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros. In the host's memory they take none before they are written to: the system gives pages of zeros then."""
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    return torch.from_numpy(np.zeros(math.prod(shape) * dtype.itemsize, np.uint8)).view(dtype).view(shape)


def hadamard(head_dim: int) -> Tensor:
    """The orthogonal Hadamard transform in blocks of the largest power of two that divides a head: [d, d], float32."""
    size = head_dim & -head_dim
    block = torch.ones(1, 1)
    while len(block) < size:
        block = torch.cat((torch.cat((block, block), 1), torch.cat((block, -block), 1)))
    return torch.kron(torch.eye(head_dim // size), block * size**-0.5)


def _bytes_of(part: Tensor) -> Tensor:
    return part.contiguous().view(torch.uint8)
