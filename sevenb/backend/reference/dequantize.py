"""Weights of model files as exact float32: what every faster kernel is measured against.

Each decoder states the layout of one block as ggml's reference code defines it (source: ``ggml-common.h`` for the
layouts, ``dequantize_row_*`` in ``ggml-quants.c`` for the formulas; Q4_Z is our own), over many blocks at once.
Products and sums are rounded to float32 in the order written there, so results are equal to the last bit.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sevenb.backend.quant_types import QuantType, RawTensor

Bytes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]

# Bytes decoded at a time: few enough that the unpacked integers stay in a CPU's cache.
_SLICE_BYTES = 256 * 1024

_BIT_SHIFTS = np.arange(8, dtype=np.uint8)[:, None]
_PAIR_SHIFTS = np.arange(0, 8, 2, dtype=np.uint8)[:, None]
_BIT = np.uint8(1)
_PAIR = np.uint8(3)


def dequantize(tensor: RawTensor) -> FloatArray:
    """The whole tensor as a new float32 array of ``tensor.shape``, each column where its input stands."""
    weights = _decode(tensor.data, tensor.quant_type).reshape(tensor.shape)
    if tensor.column_order is None:
        return weights
    ordered = np.empty_like(weights)
    ordered[:, tensor.column_order] = weights
    return ordered


def _decode(data: Bytes, quant_type: QuantType) -> FloatArray:
    """Bytes of whole blocks to ``[weights]``, a slice at a time."""
    blocks = np.ascontiguousarray(data).reshape(-1, quant_type.block_bytes)
    weights = np.empty((len(blocks), quant_type.block_size), dtype=np.float32)
    decode = _DECODERS[quant_type]
    step = max(1, _SLICE_BYTES // quant_type.block_bytes)
    for start in range(0, len(blocks), step):
        weights[start : start + step] = decode(blocks[start : start + step])
    return weights.reshape(-1)


# -- plain numbers: blocks of one ----------------------------------------------------------------------


def _f32(blocks: Bytes) -> FloatArray:
    return blocks.view("<f4")


def _f16(blocks: Bytes) -> FloatArray:
    return blocks.view("<f2").astype(np.float32)


def _bf16(blocks: Bytes) -> FloatArray:
    return (blocks.view("<u2").astype(np.uint32) << 16).view(np.float32)


# -- blocks of 32: one scale, a minimum in the `_1` types, a zero point in Q4_Z ------------------------


def _q4_0(blocks: Bytes) -> FloatArray:
    scale, packed = _split(blocks, 2, 16)
    return _half(scale) * (_nibbles(packed).astype(np.float32) - 8)


def _q4_1(blocks: Bytes) -> FloatArray:
    scale, minimum, packed = _split(blocks, 2, 2, 16)
    return _half(scale) * _nibbles(packed) + _half(minimum)


def _q4_z(blocks: Bytes) -> FloatArray:
    scale, zero, packed = _split(blocks, 2, 2, 16)
    return _half(scale) * (_nibbles(packed).astype(np.float32) - _half(zero))


def _q5_0(blocks: Bytes) -> FloatArray:
    scale, fifth_bits, packed = _split(blocks, 2, 4, 16)
    return _half(scale) * ((_nibbles(packed) | _bits(fifth_bits) << 4).astype(np.float32) - 16)


def _q5_1(blocks: Bytes) -> FloatArray:
    scale, minimum, fifth_bits, packed = _split(blocks, 2, 2, 4, 16)
    return _half(scale) * (_nibbles(packed) | _bits(fifth_bits) << 4) + _half(minimum)


def _q8_0(blocks: Bytes) -> FloatArray:
    scale, values = _split(blocks, 2, 32)
    return _half(scale) * values.view(np.int8)


# -- super-blocks of 256: 16 groups of 16 or 8 groups of 32, each with its own small integer scale -----


def _q2_k(blocks: Bytes) -> FloatArray:
    scales, packed, scale, minimum = _split(blocks, 16, 64, 2, 2)
    group_scale: FloatArray = _half(scale) * (scales & 0x0F)
    group_minimum: FloatArray = _half(minimum) * (scales >> 4)
    values = _crumbs(packed).reshape(-1, 16, 16)
    return _flat(group_scale[:, :, None] * values - group_minimum[:, :, None])


def _q3_k(blocks: Bytes) -> FloatArray:
    high_bits, packed, packed_scales, scale = _split(blocks, 32, 64, 12, 2)
    low = packed_scales[:, :8]
    scales = np.concatenate([low & 0x0F, low >> 4], axis=1) | _crumbs_of_scales(packed_scales[:, 8:]) << 4
    group_scale = _half(scale) * (scales.astype(np.float32) - 32)
    # Bit b of high-bit byte i belongs to weight 32 b + i; where it is clear, 4 is taken away.
    third_bits = high_bits[:, None, :] >> _BIT_SHIFTS & _BIT
    values = (_crumbs(packed) | third_bits.reshape(-1, 256) << 2).astype(np.float32) - 4
    return _flat(group_scale[:, :, None] * values.reshape(-1, 16, 16))


def _q4_k(blocks: Bytes) -> FloatArray:
    scale, minimum, packed_scales, packed = _split(blocks, 2, 2, 12, 128)
    group_scale, group_minimum = _six_bit_scales(packed_scales, scale, minimum)
    values = _nibbles(packed.reshape(-1, 4, 32)).reshape(-1, 8, 32)
    return _flat(group_scale * values - group_minimum)


def _q5_k(blocks: Bytes) -> FloatArray:
    scale, minimum, packed_scales, high_bits, packed = _split(blocks, 2, 2, 12, 32, 128)
    group_scale, group_minimum = _six_bit_scales(packed_scales, scale, minimum)
    # Bit g of high-bit byte i belongs to weight i of group g.
    fifth_bits = high_bits[:, None, :] >> _BIT_SHIFTS & _BIT
    values = _nibbles(packed.reshape(-1, 4, 32)).reshape(-1, 8, 32) | fifth_bits << 4
    return _flat(group_scale * values - group_minimum)


def _q6_k(blocks: Bytes) -> FloatArray:
    packed, high_bits, scales, scale = _split(blocks, 128, 64, 16, 2)
    group_scale = _half(scale) * scales.view(np.int8)
    nibbles = _nibbles(packed.reshape(-1, 2, 64)).reshape(-1, 256)
    values = (nibbles | _crumbs(high_bits) << 4).astype(np.float32) - 32
    return _flat(group_scale[:, :, None] * values.reshape(-1, 16, 16))


_DECODERS: dict[QuantType, Callable[[Bytes], FloatArray]] = {
    QuantType.F32: _f32,
    QuantType.F16: _f16,
    QuantType.BF16: _bf16,
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


# -- parts of blocks; n is the number of blocks --------------------------------------------------------


def _split(blocks: Bytes, *widths: int) -> list[Bytes]:
    """Cut ``[n, block_bytes]`` into its fields, each ``[n, width]`` and contiguous."""
    ends = np.cumsum(widths)
    return [np.ascontiguousarray(blocks[:, end - width : end]) for width, end in zip(widths, ends, strict=True)]


def _half(field: Bytes) -> FloatArray:
    """``[n, 2]`` bytes of float16 to ``[n, 1]`` float32."""
    return field.view("<f2").astype(np.float32)


def _nibbles(packed: Bytes) -> Bytes:
    """``[..., k]`` to ``[..., 2 k]``: all low halves, then all high halves."""
    return np.concatenate([packed & 0x0F, packed >> 4], axis=-1)


def _bits(field: Bytes) -> Bytes:
    """``[n, 4]`` bytes to ``[n, 32]`` bits, lowest first."""
    return np.unpackbits(field, axis=1, bitorder="little")


def _crumbs(packed: Bytes) -> Bytes:
    """``[n, 64]`` bytes to ``[n, 256]`` values of two bits: in each run of 32 bytes all lowest pairs come first."""
    return (packed.reshape(-1, 2, 1, 32) >> _PAIR_SHIFTS & _PAIR).reshape(-1, 256)


def _crumbs_of_scales(packed: Bytes) -> Bytes:
    """``[n, 4]`` bytes to ``[n, 16]`` values of two bits: all lowest pairs first."""
    return (packed[:, None, :] >> _PAIR_SHIFTS & _PAIR).reshape(-1, 16)


def _six_bit_scales(packed: Bytes, scale: Bytes, minimum: Bytes) -> tuple[FloatArray, FloatArray]:
    """Scales and minima of the 8 groups of Q4_K and Q5_K, each ``[n, 8, 1]``.

    Of the twelve bytes, 0-3 hold scales 0-3 and 4-7 minima 0-3 in their low six bits; 8-11 hold the low halves of
    scales and minima 4-7, whose upper two bits are the top bits of bytes 0-3 and 4-7.
    """
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = np.concatenate([first & 63, third & 0x0F | first >> 6 << 4], axis=1)
    minima = np.concatenate([second & 63, third >> 4 | second >> 6 << 4], axis=1)
    return (_half(scale) * scales)[:, :, None], (_half(minimum) * minima)[:, :, None]


def _flat(groups: FloatArray) -> FloatArray:
    """``[n, groups, group size]`` to ``[n, 256]``."""
    return groups.reshape(-1, 256)
