"""Products with weights equal plain torch: every format of grouped weights and plain numbers, few tokens and many."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference.dequantize import dequantize
from sevenb.backend.torch.kernels import products
from sevenb.backend.torch.kernels.layout import pack_codes
from sevenb.backend.torch.kernels.ops import TritonOps
from sevenb.backend.torch.plain import PlainOps
from sevenb.backend.torch.repack import packed
from sevenb.backend.torch.weights import FloatWeight, GroupedWeight, TorchWeight
from tests.backend.native.random_weights import random_tensor
from tests.backend.torch.kernels.steps import DEVICE

# Bits of codes, lower and upper, group, and what is subtracted: as Q4_0, AWQ, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K, Q2_K,
# Q3_K, Q6_K, GPTQ of 8 bits and Q8_0 have it.
FORMATS = [
    (4, 0, 32, "constant"),
    (4, 0, 128, "zeros"),
    (4, 0, 32, "minima"),
    (4, 1, 32, "constant"),
    (4, 1, 32, "minima"),
    (4, 0, 32, "levels"),
    (4, 1, 32, "levels"),
    (2, 0, 16, "levels"),
    (2, 1, 16, "signed"),
    (4, 2, 16, "signed"),
    (8, 0, 128, "zeros"),
    (8, 0, 32, "constant"),
]
QUANTISED = [quant_type for quant_type in QuantType if quant_type.block_size > 1]
EVERY_FORMAT = pytest.mark.parametrize(("bits", "upper_bits", "group", "shift"), FORMATS)


def grouped(rows: int, columns: int, bits: int, group: int, shift: str, upper_bits: int = 0) -> GroupedWeight:
    shape, groups = (rows, columns), (rows, columns // group)
    largest = 1 << bits + upper_bits
    codes, upper = pack_codes(torch.randint(0, largest, shape, dtype=torch.uint8), bits, upper_bits)
    fixed = {"codes": codes.to(DEVICE), "upper": None if upper is None else upper.to(DEVICE)}
    constant = largest // 2 if shift in ("constant", "signed") else 0
    if shift == "signed":
        scales = torch.randint(-128, 128, groups, dtype=torch.int8)
        levels = torch.rand(rows, columns // 256, 1) / 64 / largest
    elif shift == "levels":
        scales = torch.randint(0, 64, (*groups, 2), dtype=torch.uint8).view(torch.int16).squeeze(-1)
        levels = torch.rand(rows, columns // 256, 2) * torch.tensor([1 / 64 / largest, 1 / 64])
    else:
        wide = torch.float32 if shift == "minima" else torch.float16
        return GroupedWeight(
            **fixed,
            scales=((torch.rand(groups) + 0.1) / largest).to(DEVICE, wide),
            bits=bits,
            group=group,
            zero=constant,
            zeros=torch.randint(0, largest, groups).to(DEVICE, torch.float16) if shift == "zeros" else None,
            minima=(-torch.rand(groups) / 2).to(DEVICE, wide) if shift == "minima" else None,
        )
    levels = levels.to(DEVICE, torch.float16)
    return GroupedWeight(**fixed, scales=scales.to(DEVICE), bits=bits, group=group, zero=constant, levels=levels)


def columns_for(group: int, shift: str) -> int:
    """Few, of whole groups."""
    return 256 if shift in ("levels", "signed") else 128 if group > 32 else 96


def floats(rows: int, columns: int, dtype: torch.dtype) -> FloatWeight:
    return FloatWeight(torch.randn(rows, columns).to(DEVICE, dtype))


def close(ours: torch.Tensor, plain: torch.Tensor, dtype: torch.dtype) -> None:
    assert ours.dtype == plain.dtype
    assert ours.shape == plain.shape
    tolerance = 0.004 if dtype == torch.float16 else 0.02  # plain torch also rounds weights and normed inputs
    assert (ours - plain).abs().max() <= tolerance * plain.abs().max()


def same_products(weight: TorchWeight, tokens: int, dtype: torch.dtype = torch.float16) -> None:
    """`linear` and `linear_add`."""
    inputs = torch.randn(tokens, weight.columns).to(DEVICE, dtype)
    hidden = torch.randn(tokens, weight.rows).to(DEVICE)
    ours, plain = TritonOps(dtype), PlainOps(dtype)
    close(ours.linear(inputs, weight), plain.linear(inputs, weight), dtype)
    added = hidden.clone()
    assert ours.linear_add(added, inputs, weight) is added
    close(added, plain.linear_add(hidden, inputs, weight), dtype)


@EVERY_FORMAT
def test_one_token_with_grouped_weights(bits: int, upper_bits: int, group: int, shift: str) -> None:
    same_products(grouped(9, columns_for(group, shift), bits, group, shift, upper_bits), 1)


@EVERY_FORMAT
def test_many_tokens_with_grouped_weights(bits: int, upper_bits: int, group: int, shift: str) -> None:
    same_products(grouped(70, 3 * columns_for(group, shift), bits, group, shift, upper_bits), 19)


@pytest.mark.parametrize("many", ["tile by tile", "written out"])
@pytest.mark.parametrize("quant_type", QUANTISED, ids=lambda quant_type: quant_type.name)
def test_inputs_of_nothing_but_a_one_give_the_file_s_numbers(
    monkeypatch: pytest.MonkeyPatch, quant_type: QuantType, many: str
) -> None:
    tensor = random_tensor(quant_type, 7, 512, np.random.default_rng(quant_type), scale=0.1)
    weight, exact = packed(tensor, torch.device(DEVICE), torch.float16), torch.from_numpy(dequantize(tensor)).to(DEVICE)
    ops, columns = TritonOps(torch.float16), torch.tensor([0, 30, 77, 173, 255, 256, 511])
    ones = torch.eye(512, dtype=torch.float16)[columns].to(DEVICE)
    for few in (ones[:1], ones[1:5]):
        chosen = few.argmax(1)
        assert torch.equal(ops.linear_add(torch.zeros(len(few), 7).to(DEVICE), few, weight), exact.T[chosen])
    if many == "written out":
        monkeypatch.setattr(products, "WRITE_OUT_FROM", len(ones))
    assert torch.equal(ops.linear(ones, weight), exact.T[columns].half())


@pytest.mark.parametrize("tokens", [2, 3, 4])
def test_few_tokens(tokens: int) -> None:
    same_products(grouped(5, 64, 4, 32, "constant"), tokens)


@pytest.mark.parametrize("tokens", [1, 4])
@pytest.mark.parametrize("weight_dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_plain_numbers(weight_dtype: torch.dtype, tokens: int) -> None:
    same_products(floats(6, 72, weight_dtype), tokens)


def test_columns_of_no_whole_block_are_left_to_plain_torch() -> None:
    same_products(floats(6, 33, torch.float16), 1)


@pytest.mark.parametrize("tokens", [1, 7])
def test_bfloat16(tokens: int) -> None:
    same_products(grouped(20, 256, 4, 64, "zeros"), tokens, torch.bfloat16)


def test_so_many_tokens_that_weights_are_written_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "WRITE_OUT_FROM", 8)
    monkeypatch.setattr(products, "_SLICE", 256 * 16)  # in slices of 16 rows
    same_products(grouped(37, 256, 4, 32, "minima"), 9)


@pytest.mark.parametrize("tokens", [1, 6])
def test_columns_in_another_order(tokens: int) -> None:
    weight = replace(grouped(9, 64, 4, 32, "zeros"), column_order=torch.randperm(64).to(DEVICE))
    same_products(weight, tokens)


@pytest.mark.parametrize("tokens", [2, 6])
@pytest.mark.parametrize("parts", [2, 8])
def test_columns_cut_into_parts_give_the_same_sums_every_time(
    monkeypatch: pytest.MonkeyPatch, parts: int, tokens: int
) -> None:
    monkeypatch.setattr(products, "parts_of", lambda *_: parts)
    weight = grouped(5, 2208, 4, 32, "zeros")  # 69 blocks: parts of unequal length
    inputs = torch.randn(tokens, weight.columns).to(DEVICE, torch.float16)
    first = TritonOps(torch.float16).linear(inputs, weight)
    assert torch.equal(first, TritonOps(torch.float16).linear(inputs, weight))
    close(first, PlainOps(torch.float16).linear(inputs, weight), torch.float16)


@pytest.mark.parametrize("tokens", [1, 3, 6])
@pytest.mark.parametrize("alike", [True, False])
def test_norm_then_query_key_and_value_with_and_without_bias(tokens: int, alike: bool) -> None:
    value = grouped(5, 96, 4, 32, "constant") if alike else grouped(5, 96, 8, 32, "constant")
    weights = (grouped(7, 96, 4, 32, "constant"), grouped(5, 96, 4, 32, "constant"), value)
    biases = (torch.randn(7).to(DEVICE), None, torch.randn(5).to(DEVICE))
    hidden, norm = torch.randn(tokens, 96).to(DEVICE) * 3, (torch.rand(96) + 0.5).to(DEVICE)
    ours = TritonOps(torch.float16).norm_linears(hidden, norm, 1e-5, weights, biases)
    plain = PlainOps(torch.float16).norm_linears(hidden, norm, 1e-5, weights, biases)
    for own, wanted in zip(ours, plain, strict=True):
        close(own, wanted, torch.float16)


def test_neighbours_of_one_format_are_one_launch() -> None:
    four, eight = grouped(5, 96, 4, 32, "constant"), grouped(5, 96, 8, 32, "constant")
    for weights, count in (([four] * 3, 3), ([four, four, eight], 2), ([four, eight], 1), ([eight], 1)):
        assert products.launched_together(1, weights) == count


@pytest.mark.parametrize("tokens", [1, 4, 5])
@pytest.mark.parametrize("kind", ["grouped", "floats"])
def test_norm_gate_up_and_silu(tokens: int, kind: str) -> None:
    make = (lambda: grouped(7, 96, 4, 32, "minima")) if kind == "grouped" else (lambda: floats(7, 96, torch.bfloat16))
    gate, up = make(), make()
    hidden, norm = torch.randn(tokens, 96).to(DEVICE), (torch.rand(96) + 0.5).to(DEVICE)
    ours = TritonOps(torch.bfloat16).norm_gate_up(hidden, norm, 1e-5, gate, up)
    close(ours, PlainOps(torch.bfloat16).norm_gate_up(hidden, norm, 1e-5, gate, up), torch.bfloat16)


@pytest.mark.parametrize("rows", [1, 5])
def test_logits(rows: int) -> None:
    head = grouped(18, 64, 8, 32, "constant")
    hidden, norm = torch.randn(rows, 64).to(DEVICE), (torch.rand(64) + 0.5).to(DEVICE)
    ours = TritonOps(torch.float16).logits(hidden, norm, 1e-5, head)
    close(ours, PlainOps(torch.float16).logits(hidden, norm, 1e-5, head), torch.float16)


@pytest.mark.parametrize("columns", [7, 1030])
def test_norm_of_rows_longer_and_shorter_than_a_program_reads_at_once(columns: int) -> None:
    hidden, norm = torch.randn(3, columns).to(DEVICE), torch.randn(columns).to(DEVICE)
    ours = TritonOps(torch.float16).rms_norm(hidden, norm, 1e-5)
    close(ours, PlainOps(torch.float16).rms_norm(hidden, norm, 1e-5), torch.float16)


def test_silu_of_what_a_matrix_product_left() -> None:
    gate, up = torch.randn(2, 3, 700).to(DEVICE, torch.float16)
    ours = TritonOps(torch.float16).silu_multiply(gate, up)
    close(ours, PlainOps(torch.float16).silu_multiply(gate, up), torch.float16)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_a_thread_s_four_words_hold_four_neighbouring_columns_at_every_code(bits: int) -> None:
    codes = (torch.arange(64) % (1 << bits)).to(torch.uint8).reshape(1, 64)
    words, _ = pack_codes(codes, bits)
    assert torch.equal(GroupedWeight(words, torch.ones(1, 2), bits, group=32).dequantize(), codes.float())
    held = [int(word) >> bits & ((1 << bits) - 1) for word in words[0, :4]]
    assert held == [code % (1 << bits) for code in (4, 5, 6, 7)]


@pytest.mark.parametrize(("bits", "upper_bits"), [(2, 1), (4, 1), (4, 2)])
def test_what_stands_above_the_lower_bits_is_in_the_same_order(bits: int, upper_bits: int) -> None:
    largest = 1 << bits + upper_bits
    codes = (torch.arange(128) % largest).to(torch.uint8).reshape(2, 64)
    words, upper = pack_codes(codes, bits, upper_bits)
    weight = GroupedWeight(words, torch.ones(2, 2), bits, group=32, upper=upper)
    assert torch.equal(weight.dequantize(), codes.float())
    assert upper is not None
    assert weight.upper_bits == upper_bits
    held = [int(word) >> upper_bits & ((1 << upper_bits) - 1) for word in upper[1, :4]]
    assert held == [code % largest >> bits for code in (68, 69, 70, 71)]


@pytest.mark.parametrize(
    ("rows", "columns", "parts"), [(3584, 3584, 4), (3584, 18944, 4), (4608, 3584, 2), (152064, 3584, 1)]
)
def test_columns_of_a_7b_are_cut_so_that_an_h100_is_busy(rows: int, columns: int, parts: int) -> None:
    assert products.parts_of(rows // 8, columns // 32, 132) == parts
