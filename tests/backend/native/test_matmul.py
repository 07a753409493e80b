"""Packed matrices and the ops on them: exact values, exact integer maths, the same bits whatever the circumstances."""

import time

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sevenb.backend.native import NativeBackend, _kernels, available_isas
from sevenb.backend.protocol import MLPWeights
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import InvalidRequest, UnsupportedModel
from tests.backend.native.random_weights import random_tensor

FloatArray = npt.NDArray[np.float32]

BACKENDS = {isa: NativeBackend(threads=2, isa=isa) for isa in available_isas()}
BEST = BACKENDS[available_isas()[-1]]
PLAIN = (QuantType.F32, QuantType.F16, QuantType.BF16)
ALL_TYPES = list(QuantType)
TOKEN_COUNTS = (1, 2, 3, 5, 8, 9, 17, 64, 65, 130)


def product(backend: NativeBackend, inputs: FloatArray, weight: _kernels.PackedMatrix) -> FloatArray:
    """``inputs @ weight.T`` alone: added to zeros."""
    return backend.project_add(np.zeros((len(inputs), weight.rows), np.float32), inputs, weight)


def quantised(inputs: FloatArray, precise: bool) -> npt.NDArray[np.float64]:
    """What the kernels make of activations: 32 of them share a scale of 127 or 16319 steps; halves round to even."""
    blocks = inputs.reshape(len(inputs), -1, 32)
    largest = np.abs(blocks).max(axis=-1, keepdims=True)
    steps = np.float32(16319 if precise else 127)
    factor = np.divide(steps, largest, out=np.zeros_like(largest), where=largest > 0)
    values = np.rint(blocks * factor).astype(np.float64) * (largest / steps).astype(np.float64)
    return values.reshape(inputs.shape)


def relative_error(actual: FloatArray, inputs: npt.NDArray[np.float64], weights: FloatArray) -> float:
    """The largest error as a part of the sum of the products' magnitudes, which bounds float32 rounding."""
    exact = inputs @ weights.astype(np.float64).T
    magnitude = np.abs(inputs) @ np.abs(weights.astype(np.float64)).T
    return float(np.max(np.abs(actual - exact) / np.maximum(magnitude, 1e-300)))


# -- packing -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quant_type", ALL_TYPES, ids=lambda t: t.name)
@pytest.mark.parametrize("rows", [1, 7, 8, 45])
def test_packing_keeps_every_value_to_the_last_bit(quant_type: QuantType, rows: int) -> None:
    tensor = random_tensor(quant_type, rows, 512, np.random.default_rng(rows))
    packed = BEST.pack(tensor)
    out = np.empty((rows, 512), np.float32)
    _kernels.embed(BEST._workspace, packed, np.arange(rows, dtype=np.int32), out)
    np.testing.assert_array_equal(out, dequantize(tensor))


@pytest.mark.parametrize("quant_type", ALL_TYPES, ids=lambda t: t.name)
def test_a_packed_matrix_takes_little_more_than_the_file(quant_type: QuantType) -> None:
    tensor = random_tensor(quant_type, 64, 1024, np.random.default_rng(0))
    assert BEST.weight_bytes(BEST.pack(tensor)) <= 1.04 * tensor.data.nbytes


def test_rows_of_broken_length_are_refused_by_name() -> None:
    tensor = RawTensor("blk.0.odd.weight", QuantType.F32, (2, 33), np.zeros(2 * 33 * 4, np.uint8))
    with pytest.raises(UnsupportedModel, match=r"blk\.0\.odd\.weight.*multiples of 32"):
        BEST.pack(tensor)


def test_missing_bytes_are_refused() -> None:
    whole = random_tensor(QuantType.Q4_0, 8, 64, np.random.default_rng(0))
    with pytest.raises(UnsupportedModel, match="needs 288 bytes, not 287"):
        BEST.pack(RawTensor(whole.name, whole.quant_type, whole.shape, whole.data[:-1]))


# -- products ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precise", [False, True], ids=["int8", "int16"])
@pytest.mark.parametrize("quant_type", ALL_TYPES, ids=lambda t: t.name)
def test_products_are_exact_maths_on_the_quantised_activations(quant_type: QuantType, precise: bool) -> None:
    rng = np.random.default_rng(5)
    tensor = random_tensor(quant_type, 45, 768, rng)
    inputs = rng.standard_normal((17, 768), dtype=np.float32) * rng.exponential(3, (17, 768)).astype(np.float32)
    met = inputs.astype(np.float64) if quant_type in PLAIN else quantised(inputs, precise)
    actual = product(BEST, inputs, BEST.pack(tensor, precise=precise))
    assert relative_error(actual, met, dequantize(tensor)) < 1e-6


@pytest.mark.parametrize("precise", [False, True], ids=["int8", "int16"])
@pytest.mark.parametrize("quant_type", ALL_TYPES, ids=lambda t: t.name)
def test_results_do_not_depend_on_instruction_set_or_number_of_tokens(quant_type: QuantType, precise: bool) -> None:
    rng = np.random.default_rng(6)
    tensor = random_tensor(quant_type, 27, 512, rng)
    inputs = rng.standard_normal((max(TOKEN_COUNTS), 512), dtype=np.float32)
    expected = product(BEST, inputs, BEST.pack(tensor, precise=precise))
    for backend in BACKENDS.values():
        weight = backend.pack(tensor, precise=precise)
        for tokens in TOKEN_COUNTS:
            np.testing.assert_array_equal(product(backend, inputs[-tokens:], weight), expected[-tokens:])


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    rng = np.random.default_rng(7)
    tensor = random_tensor(QuantType.Q5_0, 500, 256, rng)
    inputs = rng.standard_normal((70, 256), dtype=np.float32)
    expected = product(BEST, inputs, BEST.pack(tensor))
    for threads in (1, 3, 8):
        backend = NativeBackend(threads=threads)
        for repetition in range(20):
            time.sleep(0.0002 * (repetition % 3))  # now the threads still spin, now they sleep
            np.testing.assert_array_equal(product(backend, inputs, backend.pack(tensor)), expected)


@pytest.mark.parametrize("quant_type", [t for t in ALL_TYPES if t not in PLAIN], ids=lambda t: t.name)
@pytest.mark.parametrize("scale", [0.0, 1e-7, 3e3], ids=["zero", "subnormal", "huge"])
def test_extreme_scales_stay_exact(quant_type: QuantType, scale: float) -> None:
    rng = np.random.default_rng(8)
    tensor = random_tensor(quant_type, 11, 256, rng, scale)
    inputs = (rng.standard_normal((3, 256)) * 10.0 ** rng.integers(-20, 10, (3, 256))).astype(np.float32)
    inputs[1] = 0
    weights = dequantize(tensor)
    for backend in BACKENDS.values():
        actual = product(backend, inputs, backend.pack(tensor))
        assert np.isfinite(actual).all()
        assert not actual[1].any()
        assert relative_error(actual, quantised(inputs, False), weights) < 1e-6


@pytest.mark.parametrize("backend", BACKENDS.values(), ids=BACKENDS)
@pytest.mark.parametrize("quant_type", [QuantType.Q8_0, QuantType.Q5_1, QuantType.Q5_K, QuantType.Q6_K, QuantType.Q3_K])
@pytest.mark.parametrize("fill", [0x00, 0x7F, 0x80, 0xFF])
def test_the_largest_integers_never_overflow(backend: NativeBackend, quant_type: QuantType, fill: int) -> None:
    blank = random_tensor(quant_type, 8, 256, np.random.default_rng(9))
    blocks = np.full((len(blank.data) // quant_type.block_bytes, quant_type.block_bytes), fill, np.uint8)
    for offset in {QuantType.Q6_K: (208,), QuantType.Q3_K: (108,), QuantType.Q8_0: (0,)}.get(quant_type, (0, 2)):
        blocks[:, offset : offset + 2] = np.array([1.0], np.float16).view(np.uint8)
    tensor = RawTensor("extreme", quant_type, (8, 256), blocks.reshape(-1))
    inputs = np.ones((2, 256), np.float32)
    inputs[1] = -1
    for precise in (False, True):
        actual = product(backend, inputs, backend.pack(tensor, precise=precise))
        assert relative_error(actual, inputs.astype(np.float64), dequantize(tensor)) < 1e-6


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=32, max_size=32))
def test_any_finite_activations_give_the_same_bits_everywhere(values: list[float]) -> None:
    inputs = np.array([values], np.float32)
    tensor = random_tensor(QuantType.Q5_1, 3, 32, np.random.default_rng(10))
    results = [product(backend, inputs, backend.pack(tensor)) for backend in BACKENDS.values()]
    for other in results[1:]:
        np.testing.assert_array_equal(other, results[0])


# -- fused ops ---------------------------------------------------------------------------------------------


def test_project_add_adds_to_the_residual_stream() -> None:
    rng = np.random.default_rng(11)
    weight = BEST.pack(random_tensor(QuantType.Q4_K, 40, 256, rng))
    hidden, inputs = rng.standard_normal((5, 40), dtype=np.float32), rng.standard_normal((5, 256), dtype=np.float32)
    expected = hidden + product(BEST, inputs, weight)
    np.testing.assert_array_equal(BEST.project_add(hidden, inputs, weight), expected)


def mlp_tensors(types: tuple[QuantType, QuantType, QuantType], rng: np.random.Generator) -> list[RawTensor]:
    gate, up, down = types
    return [
        random_tensor(gate, 512, 256, rng, 0.003),
        random_tensor(up, 512, 256, rng, 0.003),
        random_tensor(down, 256, 512, rng, 0.003),
    ]


MLP_TYPES = [
    (QuantType.Q5_0, QuantType.Q5_0, QuantType.Q6_K),
    (QuantType.Q4_K, QuantType.Q8_0, QuantType.F16),
    (QuantType.F32, QuantType.BF16, QuantType.Q4_1),
]


@pytest.mark.parametrize("types", MLP_TYPES, ids=lambda types: "-".join(t.name for t in types))
def test_the_gated_mlp_is_close_to_float_maths(types: tuple[QuantType, QuantType, QuantType]) -> None:
    rng = np.random.default_rng(12)
    tensors = mlp_tensors(types, rng)
    norm = rng.uniform(0.5, 1.5, 256).astype(np.float32)
    hidden = rng.standard_normal((70, 256), dtype=np.float32)
    gate, up, down = (dequantize(tensor).astype(np.float64) for tensor in tensors)
    normed = hidden / np.sqrt(np.mean(hidden.astype(np.float64) ** 2, axis=1, keepdims=True) + 1e-6) * norm
    gated = normed @ gate.T
    expected = (gated / (1 + np.exp(-gated)) * (normed @ up.T)) @ down.T
    weights = MLPWeights(norm, *(BEST.pack(tensor, precise=True) for tensor in tensors))
    actual = BEST.gated_mlp_add(hidden.copy(), weights, 1e-6) - hidden
    assert np.sqrt(np.mean((actual - expected) ** 2) / np.mean(expected**2)) < 2e-4


@pytest.mark.parametrize("types", MLP_TYPES, ids=lambda types: "-".join(t.name for t in types))
def test_the_gated_mlp_gives_the_same_bits_everywhere(types: tuple[QuantType, QuantType, QuantType]) -> None:
    rng = np.random.default_rng(13)
    tensors = mlp_tensors(types, rng)
    norm = rng.uniform(0.5, 1.5, 256).astype(np.float32)
    hidden = rng.standard_normal((130, 256), dtype=np.float32)
    results = []
    for backend in BACKENDS.values():
        weights = MLPWeights(norm, *map(backend.pack, tensors))
        for tokens in (1, 3, 130):
            results.append(backend.gated_mlp_add(hidden[-tokens:].copy(), weights, 1e-6))
    for result in results:
        np.testing.assert_array_equal(result, results[-1][-len(result) :])


def test_query_key_and_value_come_with_norm_and_biases() -> None:
    rng = np.random.default_rng(14)
    tensors = [random_tensor(QuantType.Q8_0, rows, 128, rng) for rows in (64, 24, 16)]
    biases = [rng.standard_normal(rows, dtype=np.float32) for rows in (64, 24)] + [None]
    norm, hidden = rng.uniform(0.5, 1.5, 128).astype(np.float32), rng.standard_normal((9, 128), dtype=np.float32)
    outs = [np.empty((9, tensor.rows), np.float32) for tensor in tensors]
    packed = [BEST.pack(tensor, precise=True) for tensor in tensors]
    _kernels.norm_project_qkv(BEST._workspace, hidden, norm, 1e-5, *packed, *biases, *outs)
    normed = hidden / np.sqrt(np.mean(hidden**2, axis=1, keepdims=True) + 1e-5) * norm
    for tensor, bias, out in zip(tensors, biases, outs, strict=True):
        expected = normed @ dequantize(tensor).T + (0 if bias is None else bias)
        np.testing.assert_allclose(out, expected, rtol=1e-3, atol=1e-3)


def test_a_token_outside_of_the_table_is_an_error_and_no_crash() -> None:
    table = BEST.pack(random_tensor(QuantType.Q8_0, 10, 64, np.random.default_rng(15)))
    for token in (-1, 10):
        with pytest.raises(ValueError, match="outside of the table"):
            _kernels.embed(BEST._workspace, table, np.array([token], np.int32), np.empty((1, 64), np.float32))


# -- the backend -------------------------------------------------------------------------------------------


def test_kernels_are_named_for_people() -> None:
    rng = np.random.default_rng(16)
    backend = BACKENDS["portable"]
    assert (
        backend.kernel_of(backend.pack(random_tensor(QuantType.Q5_0, 8, 32, rng))) == "int8 activations, portable code"
    )
    precise = backend.pack(random_tensor(QuantType.Q6_K, 8, 256, rng), precise=True)
    assert backend.kernel_of(precise) == "int16 activations, portable code"
    assert (
        backend.kernel_of(backend.pack(random_tensor(QuantType.F16, 8, 32, rng)))
        == "float32 activations, portable code"
    )
    assert backend.describe() == "native (portable, 2 threads)"


def test_an_unknown_instruction_set_is_refused_with_the_choices() -> None:
    with pytest.raises(InvalidRequest, match="auto, avx512, avx2 or portable"):
        NativeBackend(isa="sse9")


@pytest.mark.parametrize("quant_type", [QuantType.F32, QuantType.F16, QuantType.BF16], ids=lambda t: t.name)
def test_vectors_become_float32(quant_type: QuantType) -> None:
    tensor = random_tensor(quant_type, 1, 96, np.random.default_rng(17))
    vector = BEST.vector(tensor)
    assert vector.dtype == np.float32
    np.testing.assert_array_equal(vector, dequantize(tensor).reshape(-1))
