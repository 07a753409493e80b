"""The synthetic model is a model: our own engine loads it and computes with it."""

from pathlib import Path

import numpy as np

from benchmarks.logits import TextModel
from benchmarks.synthetic import SEVEN_B, Shape, write_synthetic
from sevenb.backend.native import NativeBackend
from sevenb.backend.quant_types import QuantType
from sevenb.model.checkpoint import Checkpoint

SMALL = Shape(layers=4, hidden=256, intermediate=512, heads=2, kv_heads=1, vocabulary=151_940)


def test_a_synthetic_model_computes_finite_logits(tmp_path: Path, coder_05b: Path) -> None:
    path = tmp_path / "small.gguf"
    write_synthetic(path, SMALL, coder_05b)
    with Checkpoint.open(path) as checkpoint:
        assert checkpoint.config.layers == 4
        assert checkpoint.config.vocab_size == 151_940
        types = {name: tensor.quant_type for name, tensor in checkpoint.tensors.items()}
        logits = TextModel(checkpoint, NativeBackend(1), 32).logits([1, 2, 3])
    assert types["output.weight"] is QuantType.Q6_K
    assert types["blk.0.attn_q.weight"] is QuantType.Q4_K
    assert {types[f"blk.{layer}.ffn_down.weight"] for layer in range(4)} == {QuantType.Q4_K, QuantType.Q6_K}
    assert logits.shape == (3, 151_940)
    assert np.isfinite(logits).all()
    assert logits.std() > 0


def test_the_seven_billion_are_seven_billion() -> None:
    attention = 2 * SEVEN_B.hidden * (SEVEN_B.heads + SEVEN_B.kv_heads) * SEVEN_B.head_dim
    layer = attention + 3 * SEVEN_B.hidden * SEVEN_B.intermediate
    parameters = SEVEN_B.layers * layer + 2 * SEVEN_B.vocabulary * SEVEN_B.hidden
    assert 7.6e9 < parameters < 7.7e9
