"""Weights on a torch device are what the file holds, whatever layout they are given."""

import numpy as np
import pytest

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import UnsupportedModel
from tests.backend.native.random_weights import random_tensor
from tests.backend.tiny_model import raw_f32
from tests.torch_or_skip import torch

from sevenb.backend.torch import TorchBackend  # isort: skip
from sevenb.backend.torch.weights import FloatWeight, GroupedWeight  # isort: skip

ROWS, COLUMNS = 37, 512
TYPES = pytest.mark.parametrize("quant_type", QuantType, ids=lambda quant_type: quant_type.name)


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    return TorchBackend("cpu")


@TYPES
def test_every_type_holds_the_numbers_of_the_file_to_the_last_bit(backend: TorchBackend, quant_type: QuantType) -> None:
    tensor = random_tensor(quant_type, ROWS, COLUMNS, np.random.default_rng(quant_type))
    weight = backend.pack(tensor)
    expected = dequantize(tensor)
    np.testing.assert_array_equal(weight.dequantize().numpy(), expected)
    rows = [3, 0, 36, 3]
    np.testing.assert_array_equal(weight.take(torch.tensor(rows)).numpy(), expected[rows])
    assert (weight.rows, weight.columns) == (ROWS, COLUMNS)


@TYPES
def test_products_and_norms_are_those_of_the_dequantised_matrix(backend: TorchBackend, quant_type: QuantType) -> None:
    rng = np.random.default_rng(quant_type)
    tensor = random_tensor(quant_type, ROWS, COLUMNS, rng, scale=0.1)
    weight, expected = backend.pack(tensor), dequantize(tensor)
    inputs = rng.standard_normal((5, COLUMNS)).astype(np.float32)
    hidden = backend.project_add(torch.zeros(5, ROWS), torch.from_numpy(inputs), weight)
    np.testing.assert_allclose(hidden.numpy(), inputs @ expected.T, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    norms = backend.row_norms(weight, torch.from_numpy(inputs[0]))
    np.testing.assert_allclose(norms, np.linalg.norm(expected * inputs[0], axis=1), rtol=1e-5)


def test_a_large_matrix_is_repacked_in_slices_and_multiplied_in_parts(
    backend: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sevenb.backend.torch.repack._SLICE_BYTES", 1000)
    monkeypatch.setattr("sevenb.backend.torch.weights._CACHED", 5 * COLUMNS)
    tensor = random_tensor(QuantType.Q4_K, ROWS, COLUMNS, np.random.default_rng(5))
    weight, expected = backend.pack(tensor), dequantize(tensor)
    np.testing.assert_array_equal(weight.dequantize().numpy(), expected)
    products = backend.project_add(torch.zeros(COLUMNS, ROWS), torch.eye(COLUMNS), weight)
    np.testing.assert_allclose(products.numpy(), expected.T, atol=1e-6)


def _awq_like(shared: int) -> RawTensor:
    """Four bits with a zero point, ``shared`` neighbouring blocks with one scale and zero."""
    tensor = random_tensor(QuantType.Q4_Z, ROWS, COLUMNS, np.random.default_rng(6))
    blocks = tensor.data.reshape(-1, shared, QuantType.Q4_Z.block_bytes).copy()
    blocks[:, :, :4] = blocks[:, :1, :4]
    return RawTensor("awq", QuantType.Q4_Z, tensor.shape, blocks.reshape(-1))


@pytest.mark.parametrize(("shared", "group"), [(1, 32), (2, 64), (4, 128), (8, 128)])
def test_blocks_that_share_a_scale_become_one_group(backend: TorchBackend, shared: int, group: int) -> None:
    tensor = _awq_like(shared)
    weight = backend.pack(tensor)
    assert isinstance(weight, GroupedWeight)
    assert weight.group == group
    np.testing.assert_array_equal(weight.dequantize().numpy(), dequantize(tensor))
    # Half a byte a weight, and a float16 scale and zero point a group.
    assert backend.weight_bytes(weight) == ROWS * COLUMNS // 2 + ROWS * COLUMNS // group * 4


@pytest.mark.parametrize(
    ("quant_type", "bits"),
    [
        (QuantType.Q2_K, 3.125),
        (QuantType.Q3_K, 3.5625),
        (QuantType.Q4_0, 4.5),
        (QuantType.Q4_1, 5.0),
        (QuantType.Q4_K, 4.625),
        (QuantType.Q5_0, 5.5),
        (QuantType.Q5_1, 6.0),
        (QuantType.Q5_K, 5.625),
        (QuantType.Q6_K, 6.5625),
        (QuantType.Q8_0, 8.5),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_weights_take_few_more_bits_than_in_the_file(backend: TorchBackend, quant_type: QuantType, bits: float) -> None:
    weight = backend.pack(random_tensor(quant_type, ROWS, COLUMNS, np.random.default_rng(3)))
    assert backend.weight_bytes(weight) * 8 == ROWS * COLUMNS * bits


def test_columns_in_another_order_meet_their_own_inputs(backend: TorchBackend) -> None:
    rng = np.random.default_rng(8)
    order = rng.permutation(COLUMNS).astype(np.int32)
    plain = random_tensor(QuantType.Q4_0, ROWS, COLUMNS, rng, scale=0.1)
    ordered = RawTensor("ordered", plain.quant_type, plain.shape, plain.data, order)
    weight = backend.pack(ordered)
    inputs = rng.standard_normal((3, COLUMNS)).astype(np.float32)
    actual = backend.project_add(torch.zeros(3, ROWS), torch.from_numpy(inputs), weight)
    matrix = np.empty((ROWS, COLUMNS), np.float32)
    matrix[:, order] = dequantize(plain)
    np.testing.assert_allclose(actual.numpy(), inputs @ matrix.T, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        backend.row_norms(weight, torch.from_numpy(inputs[0])), np.linalg.norm(matrix * inputs[0], axis=1), rtol=1e-5
    )


def test_numbers_take_the_dtype_of_the_backend() -> None:
    tensor = random_tensor(QuantType.F32, ROWS, COLUMNS, np.random.default_rng(9))
    weight = TorchBackend("cpu", "bfloat16").pack(tensor)
    assert isinstance(weight, FloatWeight)
    assert weight.values.dtype == torch.bfloat16
    assert TorchBackend("cpu", "half").weight_bytes(weight) == 2 * ROWS * COLUMNS


def test_numbers_beyond_float16_are_refused_before_they_become_infinite() -> None:
    tensor = raw_f32("blk.0.attn_q.weight", np.array([[1.0, 70000.0]]))
    with pytest.raises(UnsupportedModel, match=r"blk.0.attn_q.weight holds numbers beyond float16; .*bfloat16"):
        TorchBackend("cpu", "float16").pack(tensor)
    TorchBackend("cpu", "bfloat16").pack(tensor)
