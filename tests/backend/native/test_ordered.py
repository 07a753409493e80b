"""Matrices whose columns stand in another order: every op gives what it gives when the inputs are put in order."""

from dataclasses import replace

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.native.ordered import OrderedMatrix
from sevenb.backend.protocol import AttentionSpec, AttentionWeights, Batch, FloatArray, KVLayout, MLPWeights
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference import ReferenceBackend
from tests.backend.native.random_weights import random_tensor

BACKEND = NativeBackend(threads=2)
REFERENCE = ReferenceBackend()
HIDDEN, MIDDLE, TOKENS = 128, 256, 5
SPEC = AttentionSpec(heads=4, kv_heads=2, head_dim=32, norm_eps=1e-6, rope_interleaved=False)


def tensor_of(rows: int, columns: int, seed: int, *, order: int | None) -> RawTensor:
    """A random matrix; the same ``order`` gives the same order of columns, None the natural one."""
    tensor = random_tensor(QuantType.Q4_Z, rows, columns, np.random.default_rng(seed))
    if order is None:
        return tensor
    return replace(tensor, column_order=np.random.default_rng(order).permutation(columns).astype(np.int32))


def activations(columns: int, seed: int = 1) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((TOKENS, columns), dtype=np.float32)


def step_of(logit_rows: list[int]) -> Batch:
    angles = np.outer(np.arange(TOKENS), 0.5 ** np.arange(SPEC.head_dim // 2)).astype(np.float32)
    return Batch(
        token_ids=np.zeros(TOKENS, np.int32),
        positions=np.arange(TOKENS, dtype=np.int32),
        query_starts=np.array([0, TOKENS], np.int32),
        context_lengths=np.array([TOKENS], np.int32),
        block_tables=np.zeros((1, 1), np.int32),
        logit_rows=np.array(logit_rows, np.int32),
        rope_cos=np.cos(angles),
        rope_sin=np.sin(angles),
    )


def assert_close(actual: FloatArray, expected: FloatArray) -> None:
    """Within what activations of 15 bits leave."""
    assert np.abs(actual - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_product_is_to_the_last_bit_that_of_inputs_in_order() -> None:
    tensor, inputs = tensor_of(40, HIDDEN, 2, order=3), activations(HIDDEN)
    hidden = np.zeros((TOKENS, 40), np.float32)
    ordered = BACKEND.project_add(hidden.copy(), inputs, BACKEND.pack(tensor, precise=True))
    plain = BACKEND.pack(replace(tensor, column_order=None), precise=True)
    np.testing.assert_array_equal(ordered, BACKEND.project_add(hidden, inputs[:, tensor.column_order], plain))
    assert_close(ordered, REFERENCE.project_add(np.zeros_like(hidden), inputs, REFERENCE.pack(tensor)))


@pytest.mark.parametrize("orders", [(5, 5, 5), (5, 6, 7), (None, 6, None)], ids=str)
def test_query_key_and_value_each_have_their_own_order(orders: tuple[int | None, ...]) -> None:
    norm = np.random.default_rng(4).uniform(0.5, 1.5, HIDDEN).astype(np.float32)
    tensors = [tensor_of(rows, HIDDEN, rows, order=order) for rows, order in zip((128, 64, 64), orders, strict=True)]
    bias = np.random.default_rng(5).standard_normal(128, dtype=np.float32)
    layout = KVLayout(layers=1, kv_heads=2, head_dim=32, block_size=32, dtype="f32")
    attended = []
    for backend in (BACKEND, REFERENCE):
        weights = AttentionWeights(norm, *(backend.pack(tensor, precise=True) for tensor in tensors), query_bias=bias)
        step, cache = backend.prepare(step_of([])), backend.allocate_kv(layout, 1)
        query = backend.norm_qkv_rope_store(activations(HIDDEN), weights, SPEC, step, cache, 0)
        attended.append((query, backend.paged_attention(query, SPEC, step, cache, 0)))
    for actual, expected in zip(*attended, strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize("ordered", [(True, True, True), (False, False, True), (True, False, False)], ids=str)
def test_the_gated_mlp_takes_any_of_its_matrices_in_another_order(ordered: tuple[bool, ...]) -> None:
    norm = np.random.default_rng(6).uniform(0.5, 1.5, HIDDEN).astype(np.float32)
    shapes = [(MIDDLE, HIDDEN), (MIDDLE, HIDDEN), (HIDDEN, MIDDLE)]
    tensors = [
        tensor_of(rows, columns, index, order=7 if moved else None)
        for index, ((rows, columns), moved) in enumerate(zip(shapes, ordered, strict=True))
    ]
    results = []
    for backend in (BACKEND, REFERENCE):
        weights = MLPWeights(norm, *(backend.pack(tensor, precise=True) for tensor in tensors))
        results.append(backend.gated_mlp_add(activations(HIDDEN), weights, 1e-6))
    assert_close(*results)


def test_the_head_may_be_ordered() -> None:
    norm = np.random.default_rng(8).uniform(0.5, 1.5, HIDDEN).astype(np.float32)
    head, hidden = tensor_of(300, HIDDEN, 9, order=10), activations(HIDDEN)
    native, reference = (
        backend.logits(hidden, norm, 1e-6, backend.pack(head, precise=True), backend.prepare(step_of([4, 1])))
        for backend in (BACKEND, REFERENCE)
    )
    assert native.shape == (2, 300)
    assert_close(native, reference)


def test_norms_of_rows_know_the_order() -> None:
    tensor = tensor_of(24, HIDDEN, 11, order=12)
    columns = np.random.default_rng(13).uniform(0.1, 3.0, HIDDEN).astype(np.float32)
    np.testing.assert_allclose(
        BACKEND.row_norms(BACKEND.pack(tensor), columns),
        REFERENCE.row_norms(REFERENCE.pack(tensor), columns),
        rtol=1e-5,
    )


def test_order_costs_no_memory_and_is_named() -> None:
    tensor = tensor_of(32, HIDDEN, 14, order=15)
    ordered, plain = BACKEND.pack(tensor), BACKEND.pack(replace(tensor, column_order=None))
    assert isinstance(ordered, OrderedMatrix)
    assert BACKEND.weight_bytes(ordered) == BACKEND.weight_bytes(plain)
    assert BACKEND.kernel_of(ordered) == BACKEND.kernel_for(tensor)
    assert BACKEND.kernel_of(ordered).startswith("int8 activations in act-order, ")
