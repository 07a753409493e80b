"""Layers of AWQ and GPTQ checkpoints: exactly the numbers they mean, and clear words for those that are broken."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import CorruptModelFile, InvalidRequest, UnsupportedModel
from sevenb.model.config import ModelConfig, RopeConfig
from sevenb.model.hf.quantization_config import Quantization, check_quantization, quantization_of
from sevenb.model.hf.quantized import read_quantized
from sevenb.model.safetensors import SafetensorsEntry
from tests.model.hf.folders import ROUNDINGS
from tests.model.hf.quantiser import FloatArray, RoundedMatrix, Rounding, rounded

MODULE = "model.layers.0.self_attn.q_proj"
DTYPES = {"float16": "F16", "float32": "F32", "int32": "I32", "uint16": "BF16", "int64": "I64"}


def entry(part: str, array: npt.NDArray[Any]) -> SafetensorsEntry:
    data = np.ascontiguousarray(array).view(np.uint8).reshape(-1)
    return SafetensorsEntry("model.safetensors", f"{MODULE}.{part}", DTYPES[array.dtype.name], array.shape, data)


def entries_of(arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, SafetensorsEntry]:
    return {f"{MODULE}.{part}": entry(part, array) for part, array in arrays.items()}


def stated(rounding: Rounding) -> Quantization:
    found = quantization_of({"quantization_config": rounding.config}, None, "folder")
    assert found is not None
    return found


def read(matrix: RoundedMatrix, **changed: npt.NDArray[Any] | None) -> RawTensor:
    """The layer as it is read; parts can be replaced, or left out (None)."""
    arrays = {part: array for part, array in (matrix.arrays() | changed).items() if array is not None}
    return read_quantized("blk.0.attn_q.weight", MODULE, entries_of(arrays), stated(matrix.rounding))


def weights(outputs: int, inputs: int, seed: int = 0) -> FloatArray:
    rng = np.random.default_rng(seed)
    values: FloatArray = rng.normal(rng.normal(0, 0.02, (1, inputs)), 0.05, (outputs, inputs)).astype(np.float32)
    return values


def matrix_of(kind: str, outputs: int = 24, inputs: int = 256) -> RoundedMatrix:
    return rounded(weights(outputs, inputs), ROUNDINGS[kind])


# -- what the numbers are ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ROUNDINGS)
def test_a_layer_holds_exactly_the_numbers_that_the_file_means(kind: str) -> None:
    matrix = matrix_of(kind)
    tensor = read(matrix)
    assert (tensor.name, tensor.shape) == ("blk.0.attn_q.weight", (24, 256))
    np.testing.assert_array_equal(dequantize(tensor), matrix.values)
    assert tensor.nbytes == len(tensor.data)


@pytest.mark.parametrize(
    ("kind", "quant_type"),
    [
        ("awq", QuantType.Q4_Z),
        ("awq-sym", QuantType.Q4_0),
        ("gptq", QuantType.Q4_0),
        ("gptq-v2", QuantType.Q4_Z),
        ("gptq-int8", QuantType.Q8_0),
    ],
)
def test_a_layer_takes_the_smallest_type_that_is_exact(kind: str, quant_type: QuantType) -> None:
    assert read(matrix_of(kind)).quant_type is quant_type


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from(sorted(ROUNDINGS)),
    words=st.integers(1, 9),
    groups=st.integers(1, 5),
    group_size=st.sampled_from([-1, 32, 64, 96, 128]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_shape_and_group_size_is_exact(kind: str, words: int, groups: int, group_size: int, seed: int) -> None:
    rounding = replace(ROUNDINGS[kind], group_size=group_size)
    inputs = 32 * groups if group_size == -1 else groups * group_size
    matrix = rounded(weights(8 * words, inputs, seed), rounding)
    np.testing.assert_array_equal(dequantize(read(matrix)), matrix.values)


def test_the_nibbles_of_awq_stand_for_outputs_in_its_interleaved_order() -> None:
    words = np.array([[0x75316420]] * 32, np.uint32).view(np.int32)  # nibbles 0, 2, 4, 6, 1, 3, 5, 7 from the lowest
    zeros, scales = np.zeros((1, 1), np.int32), np.ones((1, 8), np.float16)
    arrays = {"qweight": words, "qzeros": zeros, "scales": scales}
    tensor = read_quantized("w", MODULE, entries_of(arrays), Quantization("awq", 4, 32, symmetric=False))
    np.testing.assert_array_equal(dequantize(tensor), np.arange(8, dtype=np.float32)[:, None].repeat(32, axis=1))


def test_the_nibbles_of_gptq_stand_for_inputs_in_order_and_zero_points_are_stored_less_one() -> None:
    words = np.full((4, 8), 0x76543210, np.uint32).view(np.int32)
    zeros = np.array([[0x66666666]], np.uint32).view(np.int32)
    arrays = {"qweight": words, "qzeros": zeros, "scales": np.ones((1, 8), np.float16)}
    entries = entries_of(arrays)
    first = read_quantized("w", MODULE, entries, Quantization("gptq", 4, 32, symmetric=False, zeros_less_one=True))
    second = read_quantized("w", MODULE, entries, Quantization("gptq", 4, 32, symmetric=False))
    expected = np.tile(np.arange(8, dtype=np.float32), (8, 4))
    np.testing.assert_array_equal(dequantize(first), expected - 7)
    np.testing.assert_array_equal(dequantize(second), expected - 6)


@pytest.mark.parametrize("checkpoint_format", ["gptq", "gptq_v2"])
def test_zero_points_of_zero_survive_being_stored_less_one(checkpoint_format: str) -> None:
    values = np.abs(weights(16, 64))  # nothing is negative: the zero point is 0
    values[3] -= values[3].max()  # but for one row, whose zero point is 15
    matrix = rounded(values, Rounding("gptq", group_size=32, checkpoint_format=checkpoint_format))
    assert {*matrix.zeros.ravel().tolist()} == {0, 15}
    np.testing.assert_array_equal(dequantize(read(matrix)), matrix.values)


@pytest.mark.parametrize(("group_size", "inputs"), [(64, 96), (128, 288), (96, 352)])
def test_a_last_group_may_be_shorter(group_size: int, inputs: int) -> None:
    whole = -(-inputs // group_size) * group_size
    matrix = rounded(weights(16, whole), Rounding("gptq", group_size=group_size))
    shorter = {"qweight": matrix.arrays()["qweight"][: inputs // 8], "g_idx": matrix.groups[:inputs]}
    np.testing.assert_array_equal(dequantize(read(matrix, **shorter)), matrix.values[:, :inputs])


@pytest.mark.parametrize("dtype", ["bf16", "f32"])
def test_scales_may_be_of_other_types(dtype: str) -> None:
    matrix = matrix_of("awq")
    short = (matrix.scales.astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    matrix = replace(matrix, scales=short.astype(np.float16))
    scales = np.ascontiguousarray(short.T)
    bits = (scales.view(np.uint32) >> 16).astype(np.uint16)
    tensor = read(matrix, scales=bits if dtype == "bf16" else scales)
    np.testing.assert_array_equal(dequantize(tensor), matrix.values)


def test_act_order_is_kept_as_an_order_of_columns_and_none_where_inputs_stand_in_order() -> None:
    ordered, plain = read(matrix_of("gptq-actorder")), read(matrix_of("gptq-asym"))
    assert ordered.column_order is not None
    assert sorted(ordered.column_order.tolist()) == list(range(256))
    assert plain.column_order is None


def test_a_file_without_g_idx_has_its_inputs_in_order() -> None:
    matrix = matrix_of("gptq")
    np.testing.assert_array_equal(dequantize(read(matrix, g_idx=None)), matrix.values)


# -- broken files ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", ["qzeros", "scales"])
def test_a_missing_part_is_named(part: str) -> None:
    with pytest.raises(CorruptModelFile, match=rf"q_proj.* has qweight and lacks {part}.*download the model again"):
        read(matrix_of("awq"), **{part: None})


@pytest.mark.parametrize(
    ("kind", "part", "array", "message"),
    [
        ("awq", "scales", np.ones((3, 24), np.float16), r"scales' has the shape \(3, 24\), and 256 inputs, 24 out"),
        ("awq", "qzeros", np.ones((2, 4), np.int32), r"qzeros' has the shape \(2, 4\)"),
        ("awq", "qweight", np.ones(256, np.int32), r"qweight' has the shape \(256,\)"),
        ("awq", "qweight", np.ones((0, 3), np.int32), r"qweight' has the shape \(0, 3\)"),
        ("gptq", "qweight", np.ones((32, 25), np.int32), r"scales' has the shape \(2, 24\)"),
        ("gptq", "g_idx", np.zeros(255, np.int32), r"g_idx' has the shape \(255,\), not \(256,\)"),
        ("gptq", "g_idx", np.zeros(256, np.int32), "g_idx' does not put 128 inputs into each group"),
        ("gptq", "g_idx", np.full(256, -1, np.int32), "g_idx' does not put 128 inputs into each group"),
        ("gptq", "g_idx", np.zeros(256, np.int64), "g_idx' is of the type I64, not I32"),
    ],
)
def test_parts_that_do_not_fit_together_are_named(kind: str, part: str, array: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(CorruptModelFile, match=message):
        read(matrix_of(kind), **{part: array})


def test_integers_of_another_type_are_named() -> None:
    with pytest.raises(CorruptModelFile, match=r"qweight' is of the type F32, not I32 or U32"):
        read(matrix_of("awq"), qweight=np.ones((256, 3), np.float32))


@pytest.mark.parametrize("scale", [np.nan, np.inf])
def test_scales_that_are_no_numbers_are_refused(scale: float) -> None:
    with pytest.raises(CorruptModelFile, match="scales' holds numbers that are not finite"):
        read(matrix_of("awq"), scales=np.full((2, 24), scale, np.float16)).data  # noqa: B018


def test_zero_points_in_a_file_that_calls_itself_symmetric_are_refused() -> None:
    with pytest.raises(CorruptModelFile, match="holds zero points other than 8, and the configuration calls it sym"):
        read(matrix_of("gptq"), qzeros=matrix_of("gptq-asym").arrays()["qzeros"]).data  # noqa: B018


def test_inputs_that_fill_no_block_are_refused() -> None:
    arrays = {
        "qweight": np.zeros((40, 1), np.int32),
        "qzeros": np.zeros((1, 1), np.int32),
        "scales": np.ones((1, 8), np.float16),
    }
    with pytest.raises(UnsupportedModel, match=r"for 40 inputs, no multiple of 32"):
        read_quantized("w", MODULE, entries_of(arrays), Quantization("awq", 4, -1, symmetric=False))


# -- what the configuration says ---------------------------------------------------------------------------

AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}


def found_in(config: dict[str, Any]) -> Quantization | None:
    return quantization_of({"quantization_config": config}, None, "folder")


@pytest.mark.parametrize(
    ("config", "expected", "label"),
    [
        (AWQ, Quantization("awq", 4, 128, False), "AWQ"),
        (AWQ | {"version": "GEMM", "modules_to_not_convert": ["lm_head"]}, Quantization("awq", 4, 128, False), "AWQ"),
        (AWQ | {"zero_point": False}, Quantization("awq", 4, 128, True), "AWQ"),
        (GPTQ, Quantization("gptq", 4, 128, True, zeros_less_one=True), "GPTQ-Int4"),
        (GPTQ | {"checkpoint_format": "gptq_v2", "sym": False}, Quantization("gptq", 4, 128, False), "GPTQ-Int4"),
        (GPTQ | {"bits": 8, "group_size": -1}, Quantization("gptq", 8, -1, True, True), "GPTQ-Int8"),
        (GPTQ | {"dynamic": {"-:.*lm_head.*": {}}}, Quantization("gptq", 4, 128, True, True), "GPTQ-Int4"),
    ],
)
def test_the_configurations_of_the_hub_are_understood(
    config: dict[str, Any], expected: Quantization, label: str
) -> None:
    assert found_in(config) == expected
    assert expected.label == label


def test_older_folders_say_it_in_a_file_of_its_own() -> None:
    gptq = {"bits": 4, "group_size": 32, "desc_act": True, "sym": False, "damp_percent": 0.01}
    awq = {"zero_point": True, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}
    assert quantization_of({}, gptq, "folder") == Quantization("gptq", 4, 32, False, zeros_less_one=True)
    assert quantization_of({}, awq, "folder") == Quantization("awq", 4, 64, False)
    assert quantization_of({"quantization_config": AWQ}, gptq, "folder") == Quantization("awq", 4, 128, False)
    assert quantization_of({}, None, "folder") is None


def test_a_quantization_config_with_nothing_in_it_says_nothing() -> None:
    gptq = {"bits": 4, "group_size": 32}
    assert quantization_of({"quantization_config": {}}, None, "folder") is None
    assert quantization_of({"quantization_config": {}}, {}, "folder") is None
    assert quantization_of({"quantization_config": {}}, gptq, "folder") == Quantization("gptq", 4, 32, True, True)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "quantised by the method 'bitsandbytes'"),
        ({"load_in_8bit": True}, "quantised by the method 'bitsandbytes'"),
        ({"group_size": 128}, "has a quantization_config that names no quant_method"),
        ({"quant_method": "compressed-tensors"}, "by the method 'compressed-tensors'"),
        ({"quant_method": "fp8", "activation_scheme": "dynamic"}, "by the method 'fp8'"),
        (AWQ | {"version": "gemv"}, "AWQ's integers in the layout 'gemv'"),
        (AWQ | {"bits": 8}, "by AWQ to 8 bits"),
        (GPTQ | {"bits": 3}, "by GPTQ to 3 bits"),
        (GPTQ | {"bits": 2}, "by GPTQ to 2 bits"),
        (GPTQ | {"bits": 8, "sym": False}, "by GPTQ to 8 bits with a zero point"),
        (GPTQ | {"checkpoint_format": "marlin"}, "GPTQ's integers in the layout 'marlin'"),
        (GPTQ | {"is_marlin_format": True}, "GPTQ's integers in the layout 'marlin'"),
        (GPTQ | {"group_size": 16}, "in groups of 16 inputs"),
        (GPTQ | {"dynamic": {r"+:.*\.18\..*": {"bits": 8}}}, "rules of their own for some modules"),
    ],
)
def test_what_we_do_not_read_is_refused_in_a_sentence_that_says_what_to_choose(
    config: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnsupportedModel, match=rf"folder .*{message}, which sevenb does not read; choose AWQ or GPTQ"):
        found_in(config)


@pytest.mark.parametrize(
    "config",
    [
        AWQ | {"bits": "four"},
        AWQ | {"bits": 1e300},
        GPTQ | {"group_size": 0},
        GPTQ | {"group_size": -7},
        GPTQ | {"sym": 3},
        GPTQ | {"quant_method": ["gptq"]},
    ],
    ids=str,
)
def test_values_that_make_no_sense_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(CorruptModelFile, match="folder is not a whole, valid model folder"):
        found_in(config)


# -- --quantization ----------------------------------------------------------------------------------------


def model_of(quantization: str) -> ModelConfig:
    rope = RopeConfig(10000.0, 64, False)
    return ModelConfig("qwen2", "Model", 10, 64, 64, 1, 1, 1, 64, 1e-6, 128, rope, quantization=quantization)


@pytest.mark.parametrize(
    ("quantization", "wanted"),
    [("AWQ", "awq"), ("AWQ", "awq_marlin"), ("GPTQ-Int8", "gptq"), ("GPTQ-Int4", "GPTQ_Marlin"), ("Q4_K_M", "gguf")],
)
def test_a_model_that_is_quantised_as_wanted_passes(quantization: str, wanted: str) -> None:
    check_quantization(model_of(quantization), wanted)


@pytest.mark.parametrize(("quantization", "wanted"), [("Q4_K_M", "awq"), ("BF16", "gptq"), ("AWQ", "gptq")])
def test_a_model_that_is_quantised_otherwise_is_refused(quantization: str, wanted: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"Model holds its weights as {quantization}, not as {wanted.upper()};"):
        check_quantization(model_of(quantization), wanted)


def test_an_unknown_quantization_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match=r"There is no quantization 'int3'.*awq, gptq or gguf"):
        check_quantization(model_of("AWQ"), "int3")
