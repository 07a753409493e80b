"""A checkpoint opens a model file and says what the decoder and the tokenizer need."""

from pathlib import Path

import numpy as np
import pytest

from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import RopeConfig
from tests.model.tiny_gguf import TinyModel


def test_qwen_coder_05b(coder_05b: Path) -> None:
    with Checkpoint.open(coder_05b) as checkpoint:
        config = checkpoint.config
        assert (config.architecture, config.quantization) == ("qwen2", "Q4_K_M")
        assert (config.layers, config.hidden_size, config.intermediate_size) == (24, 896, 4864)
        assert (config.heads, config.kv_heads, config.head_dim) == (14, 2, 64)
        assert (config.vocab_size, config.context_length) == (151_936, 32_768)
        assert config.rope == RopeConfig(base=1e6, dim=64, interleaved=False)
        assert config.norm_eps == pytest.approx(1e-6)
        assert 480_000_000 < checkpoint.total_bytes < 491_400_064
        assert len(checkpoint.tensors) == 291


def test_qwen_coder_15b(coder_15b: Path) -> None:
    with Checkpoint.open(coder_15b) as checkpoint:
        config = checkpoint.config
        assert (config.layers, config.hidden_size, config.intermediate_size) == (28, 1536, 8960)
        assert (config.heads, config.kv_heads, config.head_dim) == (12, 2, 128)
        kinds = [tensor.quant_type.name for tensor in checkpoint.tensors.values()]
        assert (kinds.count("Q4_K"), kinds.count("Q6_K")) == (169, 29)


def test_smollm2(smollm2: Path) -> None:
    with Checkpoint.open(smollm2) as checkpoint:
        config = checkpoint.config
        assert (config.architecture, config.quantization) == ("llama", "Q4_1")
        assert (config.layers, config.hidden_size, config.heads, config.kv_heads) == (30, 576, 9, 3)
        assert config.rope == RopeConfig(base=1e5, dim=64, interleaved=True)
        assert config.parameters == 134_515_008
        assert "output.weight" not in checkpoint.tensors


def test_embeddings_of_the_real_file_are_weights(coder_05b: Path) -> None:
    """A wrong offset or shape would read scales as weights: numbers all over the float range."""
    with Checkpoint.open(coder_05b) as checkpoint:
        rows = dequantize(checkpoint.tensors["token_embd.weight"])[:151_000:1000]

    assert rows.shape == (151, 896)
    assert 0.005 < rows.std() < 0.05
    assert np.abs(rows).max() < 1.0


def test_the_name_is_the_file_s(tmp_path: Path) -> None:
    assert Checkpoint.open(TinyModel().write(tmp_path / "my-model.gguf")).name == "my-model"


def test_closing_leaves_views_alive_that_somebody_holds(tmp_path: Path) -> None:
    checkpoint = Checkpoint.open(TinyModel().write(tmp_path / "model.gguf"))
    data = checkpoint.tensors["output_norm.weight"].data
    before = data.copy()

    checkpoint.close()

    assert not checkpoint.tensors
    np.testing.assert_array_equal(data, before)


def test_errors_name_the_file(tmp_path: Path) -> None:
    path = TinyModel().write(tmp_path / "model.gguf", **{"general.architecture": "gpt2"})
    with pytest.raises(UnsupportedModel, match=r"^model\.gguf "):
        Checkpoint.open(path)

    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptModelFile, match=r"^model\.gguf "):
        Checkpoint.open(path)
