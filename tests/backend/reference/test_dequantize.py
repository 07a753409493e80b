"""Every weight type against a second statement of its format: one weight at a time, as the C code reads."""

import struct
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from tests.model.gguf_writer import float_tensor, random_tensor

f32 = np.float32

# -- the formulas of ggml-quants.c, a weight at a time --------------------------------------------------


def half(block: bytes, offset: int) -> np.float32:
    return f32(struct.unpack_from("<e", block, offset)[0])


def fifth_bit(block: bytes, offset: int, index: int) -> int:
    return (int.from_bytes(block[offset : offset + 4], "little") >> index & 1) << 4


def nibble(packed: bytes, index: int) -> int:
    """Of 2 n weights in n bytes, the first n are the low halves."""
    return packed[index] & 15 if index < len(packed) else packed[index - len(packed)] >> 4


def q4_0(block: bytes) -> Iterator[np.float32]:
    for index in range(32):
        yield f32(nibble(block[2:], index) - 8) * half(block, 0)


def q4_1(block: bytes) -> Iterator[np.float32]:
    for index in range(32):
        yield f32(nibble(block[4:], index)) * half(block, 0) + half(block, 2)


def q5_0(block: bytes) -> Iterator[np.float32]:
    for index in range(32):
        yield f32((nibble(block[6:], index) | fifth_bit(block, 2, index)) - 16) * half(block, 0)


def q5_1(block: bytes) -> Iterator[np.float32]:
    for index in range(32):
        yield f32(nibble(block[8:], index) | fifth_bit(block, 4, index)) * half(block, 0) + half(block, 2)


def q8_0(block: bytes) -> Iterator[np.float32]:
    for value in struct.unpack_from("<32b", block, 2):
        yield f32(value) * half(block, 0)


def q2_k(block: bytes) -> Iterator[np.float32]:
    scales, packed = block[:16], block[16:80]
    for index in range(256):
        half_block, shift, byte = index // 128, index % 128 // 32 * 2, index % 32
        scale = scales[index // 16]
        value = packed[32 * half_block + byte] >> shift & 3
        yield half(block, 80) * f32(scale & 15) * f32(value) - half(block, 82) * f32(scale >> 4)


def q3_k(block: bytes) -> Iterator[np.float32]:
    high, packed, scales = block[:32], block[32:96], block[96:108]
    for index in range(256):
        group, half_block, shift, byte = index // 16, index // 128, index % 128 // 32 * 2, index % 32
        low = scales[group % 8] >> 4 * (group // 8) & 15
        scale = low | (scales[8 + group % 4] >> 2 * (group // 4) & 3) << 4
        value = (packed[32 * half_block + byte] >> shift & 3) - (0 if high[byte] >> index // 32 & 1 else 4)
        yield half(block, 108) * f32(scale - 32) * f32(value)


def scale_and_minimum(scales: bytes, group: int) -> tuple[int, int]:
    """``get_scale_min_k4`` of ggml-quants.c."""
    if group < 4:
        return scales[group] & 63, scales[group + 4] & 63
    low = scales[group + 4]
    return low & 15 | scales[group - 4] >> 6 << 4, low >> 4 | scales[group] >> 6 << 4


def q4_k(block: bytes) -> Iterator[np.float32]:
    for index in range(256):
        scale, minimum = scale_and_minimum(block[4:16], index // 32)
        value = nibble(block[16 + 32 * (index // 64) :][:32], index % 64)
        yield half(block, 0) * f32(scale) * f32(value) - half(block, 2) * f32(minimum)


def q5_k(block: bytes) -> Iterator[np.float32]:
    for index in range(256):
        scale, minimum = scale_and_minimum(block[4:16], index // 32)
        value = nibble(block[48 + 32 * (index // 64) :][:32], index % 64)
        value |= (block[16 + index % 32] >> index // 32 & 1) << 4
        yield half(block, 0) * f32(scale) * f32(value) - half(block, 2) * f32(minimum)


def q6_k(block: bytes) -> Iterator[np.float32]:
    scales = struct.unpack_from("<16b", block, 192)
    for index in range(256):
        half_block, quarter, byte = index // 128, index % 128 // 32, index % 32
        low = nibble(block[64 * half_block :][:64], index % 128)
        high = block[128 + 32 * half_block + byte] >> 2 * quarter & 3
        yield half(block, 208) * f32(scales[index // 16]) * f32((low | high << 4) - 32)


def q4_z(block: bytes) -> Iterator[np.float32]:
    for index in range(32):
        yield half(block, 0) * (f32(nibble(block[4:], index)) - half(block, 2))


SCALAR: dict[QuantType, Callable[[bytes], Iterator[np.float32]]] = {
    QuantType.Q4_0: q4_0,
    QuantType.Q4_1: q4_1,
    QuantType.Q5_0: q5_0,
    QuantType.Q5_1: q5_1,
    QuantType.Q8_0: q8_0,
    QuantType.Q2_K: q2_k,
    QuantType.Q3_K: q3_k,
    QuantType.Q4_K: q4_k,
    QuantType.Q5_K: q5_k,
    QuantType.Q6_K: q6_k,
    QuantType.Q4_Z: q4_z,
}

# -- tests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quant_type", SCALAR, ids=lambda quant_type: quant_type.name)
def test_equals_the_scalar_formula_to_the_last_bit(quant_type: QuantType) -> None:
    rng = np.random.default_rng(quant_type)
    tensor = random_tensor(rng, quant_type, (3, 2 * quant_type.block_size), spread=3.0)
    blocks = tensor.data.reshape(-1, quant_type.block_bytes)
    expected = [weight for block in blocks for weight in SCALAR[quant_type](block.tobytes())]

    weights = dequantize(tensor)

    assert weights.shape == tensor.shape
    assert weights.dtype == np.float32
    np.testing.assert_array_equal(weights.reshape(-1), np.array(expected, np.float32))


def test_f32_and_f16_come_back_unchanged() -> None:
    values = np.array([0.0, -0.0, 1.5, -65504.0, 6e-8, np.inf], np.float32)
    halves = RawTensor("halves", QuantType.F16, (6,), values.astype(np.float16).view(np.uint8))

    np.testing.assert_array_equal(dequantize(float_tensor("floats", values)), values)
    np.testing.assert_array_equal(dequantize(halves), values.astype(np.float16).astype(np.float32))


def test_bf16_is_the_upper_half_of_a_float32() -> None:
    stored = np.array([0x3F80, 0xC049, 0x0001, 0xFF80], np.uint16)
    tensor = RawTensor("brain", QuantType.BF16, (4,), stored.view(np.uint8))

    np.testing.assert_array_equal(dequantize(tensor), np.array([1.0, -3.140625, 2.0**-133, -np.inf], np.float32))


@pytest.mark.parametrize("quant_type", QuantType, ids=lambda quant_type: quant_type.name)
def test_long_tensors_decode_as_their_blocks_do(quant_type: QuantType) -> None:
    """Longer than the slice that is decoded at a time."""
    rows = 300_000 // quant_type.row_bytes(512)
    tensor = random_tensor(np.random.default_rng(1), quant_type, (rows, 512))

    whole = dequantize(tensor)

    for row in (0, rows // 2, rows - 1):
        row_bytes = quant_type.row_bytes(512)
        alone = RawTensor("row", quant_type, (512,), tensor.data[row * row_bytes : (row + 1) * row_bytes])
        np.testing.assert_array_equal(whole[row], dequantize(alone))


@pytest.mark.parametrize("quant_type", QuantType, ids=lambda quant_type: quant_type.name)
def test_reads_a_view_of_a_file_that_is_neither_aligned_nor_writable(quant_type: QuantType) -> None:
    tensor = random_tensor(np.random.default_rng(3), quant_type, (2, 256))
    mapped = np.frombuffer(b"x" + tensor.data.tobytes(), np.uint8)[1:]

    weights = dequantize(RawTensor("mapped", quant_type, tensor.shape, mapped))

    np.testing.assert_array_equal(weights, dequantize(tensor))
    weights[:] = 0.0  # the caller's own copy


def test_columns_in_another_order_come_back_where_their_inputs_stand() -> None:
    stored = random_tensor(np.random.default_rng(4), QuantType.Q4_Z, (3, 96))
    order = np.random.default_rng(5).permutation(96).astype(np.int32)

    weights = dequantize(replace(stored, column_order=order))

    np.testing.assert_array_equal(weights[:, order], dequantize(stored))
