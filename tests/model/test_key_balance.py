"""Tests of `sevenb.model.key_balance`."""

from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.native import NativeBackend
from sevenb.backend.quant_types import QuantType
from sevenb.backend.reference import ReferenceBackend
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig, RopeConfig
from sevenb.model.decoder import Decoder
from sevenb.model.key_balance import after_head_norm, key_balance
from tests.model.gguf_writer import encode, float_tensor
from tests.model.tiny_gguf import TinyModel


def config(*, interleaved: bool = False) -> ModelConfig:
    return ModelConfig(
        architecture="qwen2",
        name="tiny",
        vocab_size=8,
        hidden_size=16,
        intermediate_size=16,
        layers=1,
        heads=4,
        kv_heads=2,
        head_dim=8,
        norm_eps=1e-6,
        context_length=64,
        rope=RopeConfig(base=1e4, dim=8, interleaved=interleaved),
    )


@pytest.mark.parametrize("interleaved", [False, True])
def test_channels_that_turn_together_share_a_power_of_two(interleaved: bool) -> None:
    rng = np.random.default_rng(0)
    query, key = rng.uniform(0.1, 9, 32).astype(np.float32), rng.uniform(0.1, 9, 16).astype(np.float32)
    balance = key_balance(config(interleaved=interleaved), query, key, 0 * query, 0 * key).reshape(2, 8)
    halves = (balance[:, ::2], balance[:, 1::2]) if interleaved else (balance[:, :4], balance[:, 4:])
    np.testing.assert_array_equal(*halves)
    np.testing.assert_array_equal(np.log2(balance), np.rint(np.log2(balance)))


def test_a_loud_pair_is_made_quieter_in_the_key_alone() -> None:
    ones = np.ones(32, np.float32)
    loud = np.ones(16, np.float32)
    loud[[1, 5]] = 64.0
    balance = key_balance(config(), ones, loud, 0 * ones, 0 * loud).reshape(2, 8)
    assert balance[0, 1] == balance[0, 5] < balance[0, 0]
    np.testing.assert_array_equal(balance[1], 1.0)


def test_a_constant_part_counts_only_where_it_turns_fast() -> None:
    ones, key = np.ones(32, np.float32), np.ones(16, np.float32)
    fast, slow = 0 * key, 0 * key
    fast[[0, 4]], slow[[3, 7]] = 64.0, 64.0
    assert key_balance(config(), ones, key, 0 * ones, fast)[0] < 1.0
    np.testing.assert_array_equal(key_balance(config(), ones, key, 0 * ones, slow), 1.0)


def test_the_spread_of_normed_heads_is_told_from_the_weights() -> None:
    rng = np.random.default_rng(1)
    weight = rng.standard_normal((3 * 64, 256)) * rng.lognormal(0, 1, (3 * 64, 1))
    norm = rng.lognormal(0, 1, 64).astype(np.float32)
    heads = (rng.standard_normal((4000, 256)) @ weight.T).reshape(-1, 3, 64)
    normed = heads / np.sqrt(np.mean(heads**2, axis=-1, keepdims=True)) * norm
    told = after_head_norm(np.linalg.norm(weight, axis=1).astype(np.float32), norm)
    # A channel that makes up most of its head is tamed by the norm a little more than the others.
    np.testing.assert_allclose(told, normed.std(axis=0).ravel(), rtol=0.6)
    assert np.corrcoef(np.log(told), np.log(normed.std(axis=0).ravel()))[0, 1] > 0.99


def test_the_size_of_a_whole_head_is_lost_in_its_norm() -> None:
    rows = np.random.default_rng(2).uniform(0.1, 9, 16).astype(np.float32)
    norm = np.ones(8, np.float32)
    np.testing.assert_allclose(after_head_norm(100 * rows, norm), after_head_norm(rows, norm), rtol=1e-5)


def test_a_model_with_normed_heads_is_balanced_by_the_weights_of_its_norms(tmp_path: Path) -> None:
    model = TinyModel("qwen3", QuantType.F32)
    loud = np.ones(64, np.float32)
    loud[[5, 37]] = 64.0  # the two channels of one pair
    tensors = [
        float_tensor(tensor.name, loud) if tensor.name == "blk.0.attn_k_norm.weight" else tensor
        for tensor in model.tensors()
    ]
    path = tmp_path / "tiny.gguf"
    path.write_bytes(encode(model.metadata(), tensors))
    with Checkpoint.open(path) as checkpoint:
        balance = Decoder(checkpoint, ReferenceBackend()).layers[0].attention.key_balance.reshape(2, 64)
    np.testing.assert_array_equal(balance[:, 5], balance[:, 37])
    assert (balance[:, 5] <= np.median(balance) / 4).all()


def test_backends_measure_the_same_rows(coder_05b: Path) -> None:
    with Checkpoint.open(coder_05b) as checkpoint:
        matrix = checkpoint.tensors["blk.0.attn_k.weight"]
        norm = checkpoint.tensors["blk.0.attn_norm.weight"]
        native, reference = (
            backend.row_norms(backend.pack(matrix), backend.vector(norm))
            for backend in (NativeBackend(), ReferenceBackend())
        )
    assert native.shape == (128,)
    np.testing.assert_allclose(native, reference, rtol=1e-5)


def test_a_qwen_file_is_balanced_with_factors_of_several_sizes(coder_05b: Path) -> None:
    with Checkpoint.open(coder_05b) as checkpoint:
        decoder = Decoder(checkpoint, NativeBackend())
    balances = np.array([layer.attention.key_balance for layer in decoder.layers])
    assert balances.shape == (24, 128)
    assert balances.min() < 0.5 < 2.0 < balances.max()
