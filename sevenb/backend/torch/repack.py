"""From the blocks of model files to the layouts of `weights`, with torch ops on the device itself.

The layout of each type's block is stated in `sevenb.backend.reference.dequantize`.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.torch.kernels.layout import pack_codes
from sevenb.backend.torch.weights import FloatWeight, GroupedWeight, TorchWeight
from sevenb.errors import UnsupportedModel

_SLICE_BYTES = 1 << 26  # of a file's bytes, unpacked together
_FLOATS = {QuantType.F32: torch.float32, QuantType.F16: torch.float16, QuantType.BF16: torch.bfloat16}
_LARGEST_GROUP = 128


@dataclass(frozen=True)
class _Groups:
    """n groups of neighbouring weights: one number a group, or one for all."""

    codes: Tensor  # [n, group] uint8
    scales: Tensor  # [n] float32, or with levels integers as `GroupedWeight` has them
    zero: int = 0
    zeros: Tensor | None = None  # [n] float32
    minima: Tensor | None = None  # [n] float32
    levels: Tensor | None = None  # [n * group / 256, 1 or 2] float16


def packed(tensor: RawTensor, device: torch.device, dtype: torch.dtype) -> TorchWeight:
    """A matrix on the device; plain numbers become ``dtype``. Raises `UnsupportedModel`."""
    order = tensor.column_order
    columns = None if order is None else torch.tensor(order, dtype=torch.int64, device=device)
    if tensor.quant_type in _FLOATS:
        values = _uploaded(tensor, device).view(_FLOATS[tensor.quant_type]).view(tensor.shape)
        return FloatWeight(_in_range(values, dtype, tensor.name), columns)
    unpack = _UNPACKERS.get(tensor.quant_type)
    if unpack is None:
        raise UnsupportedModel(
            f"Tensor {tensor.name} has a type that the torch backend lacks: {tensor.quant_type.name}."
        )
    blocks = _uploaded(tensor, device).view(-1, tensor.quant_type.block_bytes)
    step = max(1, _SLICE_BYTES // tensor.quant_type.row_bytes(tensor.columns)) * (
        tensor.columns // tensor.quant_type.block_size
    )
    bits = _BITS[tensor.quant_type]
    slices = [_laid_out(unpack(part), *bits, tensor.columns) for part in torch.split(blocks, step)]
    return replace(_compact(_joined(slices)), column_order=columns)


def vector(tensor: RawTensor, device: torch.device) -> Tensor:
    """A norm weight or bias as float32. Raises `UnsupportedModel` for quantised vectors."""
    if tensor.quant_type not in _FLOATS:
        raise UnsupportedModel(f"Vector {tensor.name} is quantised; use a file that keeps norms as numbers.")
    return _uploaded(tensor, device).view(_FLOATS[tensor.quant_type]).float().view(tensor.shape)


def _uploaded(tensor: RawTensor, device: torch.device) -> Tensor:
    """The file's bytes on the device; a copy, for the file is let go of."""
    with warnings.catch_warnings():  # torch warns of arrays that it must not write to; this one it only reads
        warnings.simplefilter("ignore", UserWarning)
        return torch.from_numpy(tensor.data).to(device, copy=True)


def _in_range(values: Tensor, dtype: torch.dtype, name: str) -> Tensor:
    """Numbers as ``dtype``. Raises `UnsupportedModel` where float16 cannot hold one."""
    if dtype == torch.float16 and values.dtype != torch.float16 and values.abs().max() > torch.finfo(dtype).max:
        raise UnsupportedModel(f"Tensor {name} holds numbers beyond float16; choose --dtype bfloat16.")
    return values.to(dtype)


def _joined(slices: list[GroupedWeight]) -> GroupedWeight:
    """Slices of the rows of one matrix, one after another."""
    first = slices[0]
    if len(slices) == 1:
        return first
    kept: dict[str, Any] = {
        field.name: torch.cat([getattr(part, field.name) for part in slices])
        for field in fields(first)
        if isinstance(getattr(first, field.name), Tensor)
    }
    return replace(first, **kept)


def _laid_out(groups: _Groups, bits: int, upper_bits: int, columns: int) -> GroupedWeight:
    """Groups as rows of a matrix."""
    size = groups.codes.shape[1]
    codes, upper = pack_codes(groups.codes.reshape(-1, columns), bits, upper_bits)

    def per_group(numbers: Tensor | None) -> Tensor | None:
        return None if numbers is None else numbers.reshape(-1, columns // size)

    scales = per_group(groups.scales)
    assert scales is not None
    return GroupedWeight(
        codes,
        scales,
        bits,
        size,
        groups.zero,
        zeros=per_group(groups.zeros),
        minima=per_group(groups.minima),
        levels=None if groups.levels is None else groups.levels.reshape(-1, columns // 256, groups.levels.shape[1]),
        upper=upper,
    )


def _compact(weight: GroupedWeight) -> GroupedWeight:
    """Groups joined where all neighbours agree, and numbers in float16 where that loses nothing."""
    if weight.levels is not None:
        return weight
    while weight.group < _LARGEST_GROUP and weight.columns % (2 * weight.group) == 0:
        numbers = [part for part in (weight.scales, weight.zeros, weight.minima) if part is not None]
        if not all(torch.equal(part[:, 0::2], part[:, 1::2]) for part in numbers):
            break
        weight = replace(
            weight,
            group=2 * weight.group,
            scales=weight.scales[:, 0::2],
            zeros=None if weight.zeros is None else weight.zeros[:, 0::2],
            minima=None if weight.minima is None else weight.minima[:, 0::2],
        )
    both = [part for part in (weight.scales, weight.minima) if part is not None]
    kept = torch.float16 if all(torch.equal(part.half().float(), part) for part in both) else torch.float32
    return replace(
        weight,
        scales=weight.scales.to(kept).contiguous(),
        zeros=None if weight.zeros is None else weight.zeros.half().contiguous(),
        minima=None if weight.minima is None else weight.minima.to(kept).contiguous(),
    )


# -- blocks of 32: n blocks, [n, block bytes] ----------------------------------------------------------


def _q4_0(blocks: Tensor) -> _Groups:
    scale, codes = torch.split(blocks, [2, 16], 1)
    return _Groups(_nibbles(codes), _half(scale), zero=8)


def _q4_z(blocks: Tensor) -> _Groups:
    scale, zero, codes = torch.split(blocks, [2, 2, 16], 1)
    return _Groups(_nibbles(codes), _half(scale), zeros=_half(zero))


def _q4_1(blocks: Tensor) -> _Groups:
    scale, minimum, codes = torch.split(blocks, [2, 2, 16], 1)
    return _Groups(_nibbles(codes), _half(scale), minima=_half(minimum))


def _q5_0(blocks: Tensor) -> _Groups:
    scale, fifth_bits, codes = torch.split(blocks, [2, 4, 16], 1)
    return _Groups(_nibbles(codes) | _bits(fifth_bits) << 4, _half(scale), zero=16)


def _q5_1(blocks: Tensor) -> _Groups:
    scale, minimum, fifth_bits, codes = torch.split(blocks, [2, 2, 4, 16], 1)
    return _Groups(_nibbles(codes) | _bits(fifth_bits) << 4, _half(scale), minima=_half(minimum))


def _q8_0(blocks: Tensor) -> _Groups:
    scale, codes = torch.split(blocks, [2, 32], 1)
    return _Groups(codes ^ 128, _half(scale), zero=128)  # a signed byte plus 128


# -- super-blocks of 256: 16 groups of 16 or 8 groups of 32 --------------------------------------------


def _q2_k(blocks: Tensor) -> _Groups:
    scales, codes, levels = torch.split(blocks, [16, 64, 4], 1)
    return _Groups(_crumbs(codes).reshape(-1, 16), _bytes(scales & 15, scales >> 4), levels=_halves(levels))


def _q3_k(blocks: Tensor) -> _Groups:
    high_bits, codes, packed_scales, scale = torch.split(blocks, [32, 64, 12, 2], 1)
    low, high = packed_scales[:, :8], packed_scales[:, 8:]
    top = torch.cat([high >> shift & 3 for shift in (0, 2, 4, 6)], 1)
    scales = (torch.cat((low & 15, low >> 4), 1) | top << 4).to(torch.int8) - 32
    # Bit b of high-bit byte i belongs to weight 32 b + i; where it is clear, 4 is taken away.
    third = torch.stack([high_bits >> bit & 1 for bit in range(8)], 1).reshape(-1, 256)
    values = _crumbs(codes) | third << 2
    return _Groups(values.reshape(-1, 16), scales.flatten(), zero=4, levels=_halves(scale))


def _q4_k(blocks: Tensor) -> _Groups:
    levels, scales, codes = torch.split(blocks, [4, 12, 128], 1)
    return _Groups(_nibbles(codes.reshape(-1, 32)).reshape(-1, 32), _six_bit_scales(scales), levels=_halves(levels))


def _q5_k(blocks: Tensor) -> _Groups:
    levels, scales, high_bits, codes = torch.split(blocks, [4, 12, 32, 128], 1)
    # Bit g of high-bit byte i belongs to weight i of group g.
    fifth = torch.stack([high_bits >> bit & 1 for bit in range(8)], 1).reshape(-1, 32)
    values = _nibbles(codes.reshape(-1, 32)).reshape(-1, 32) | fifth << 4
    return _Groups(values, _six_bit_scales(scales), levels=_halves(levels))


def _q6_k(blocks: Tensor) -> _Groups:
    codes, high_bits, scales, scale = torch.split(blocks, [128, 64, 16, 2], 1)
    values = _nibbles(codes.reshape(-1, 64)).reshape(-1, 256) | _crumbs(high_bits) << 4
    return _Groups(
        values.reshape(-1, 16), scales.contiguous().view(torch.int8).flatten(), zero=32, levels=_halves(scale)
    )


_UNPACKERS: dict[QuantType, Callable[[Tensor], _Groups]] = {
    QuantType.Q4_0: _q4_0,
    QuantType.Q4_1: _q4_1,
    QuantType.Q5_0: _q5_0,
    QuantType.Q5_1: _q5_1,
    QuantType.Q8_0: _q8_0,
    QuantType.Q2_K: _q2_k,
    QuantType.Q3_K: _q3_k,
    QuantType.Q4_K: _q4_k,
    QuantType.Q5_K: _q5_k,
    QuantType.Q6_K: _q6_k,
    QuantType.Q4_Z: _q4_z,
}
# Of codes: in words of 32 bits, and above those.
_BITS: dict[QuantType, tuple[int, int]] = {
    QuantType.Q2_K: (2, 0),
    QuantType.Q3_K: (2, 1),
    QuantType.Q4_0: (4, 0),
    QuantType.Q4_1: (4, 0),
    QuantType.Q4_K: (4, 0),
    QuantType.Q4_Z: (4, 0),
    QuantType.Q5_0: (4, 1),
    QuantType.Q5_1: (4, 1),
    QuantType.Q5_K: (4, 1),
    QuantType.Q6_K: (4, 2),
    QuantType.Q8_0: (8, 0),
}


# -- parts of blocks -----------------------------------------------------------------------------------


def _half(field: Tensor) -> Tensor:
    """``[n, 2]`` bytes of float16 to ``[n]`` float32."""
    return field.contiguous().view(torch.float16).float().flatten()


def _nibbles(codes: Tensor) -> Tensor:
    """``[n, k]`` to ``[n, 2 k]``: all low halves, then all high halves."""
    return torch.cat((codes & 15, codes >> 4), 1)


def _bits(field: Tensor) -> Tensor:
    """``[n, 4]`` bytes to ``[n, 32]`` bits, lowest first."""
    return torch.stack([field >> bit & 1 for bit in range(8)], 2).flatten(1)


def _crumbs(codes: Tensor) -> Tensor:
    """``[n, 64]`` bytes to ``[n, 256]`` values of two bits: in each run of 32 bytes all lowest pairs come first."""
    runs = codes.reshape(-1, 2, 32)
    return torch.stack([runs >> shift & 3 for shift in (0, 2, 4, 6)], 2).flatten(1)


def _six_bit_scales(packed: Tensor) -> Tensor:
    """Scales and minima of the 8 groups of Q4_K and Q5_K, one after another: ``[8 n]`` int16."""
    first, second, third = torch.split(packed, 4, 1)
    return _bytes(
        torch.cat((first & 63, third & 15 | first >> 6 << 4), 1),
        torch.cat((second & 63, third >> 4 | second >> 6 << 4), 1),
    )


def _bytes(low: Tensor, high: Tensor) -> Tensor:
    """Two ``[n, k]`` of bytes as the halves of ``[n k]`` int16."""
    return torch.stack((low, high), -1).view(torch.int16).flatten()


def _halves(field: Tensor) -> Tensor:
    """``[n, 2 k]`` bytes to ``[n, k]`` float16."""
    return field.contiguous().view(torch.float16)
