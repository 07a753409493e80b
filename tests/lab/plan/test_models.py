"""What is planned is found by name, file, folder or repository, and nothing else is taken for a model."""

import json
from pathlib import Path
from typing import Any

import pytest

from sevenb.errors import InvalidRequest, ModelNotFound, UnsupportedModel
from sevenb.lab.plan.models import find_model
from sevenb.lab.plan.quantization import weights_of
from sevenb.model.catalog import CATALOG
from sevenb.model.checkpoint import Checkpoint

QWEN_05B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "hidden_size": 896,
    "intermediate_size": 4864,
    "max_position_embeddings": 32768,
    "num_attention_heads": 14,
    "num_hidden_layers": 24,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "vocab_size": 151936,
}


def folder_with(tmp_path: Path, config: object) -> str:
    (tmp_path / "config.json").write_text(json.dumps(config))
    return str(tmp_path)


def test_a_folder_of_hugging_faces_form_has_the_shape_that_its_config_says(tmp_path: Path) -> None:
    model = find_model(folder_with(tmp_path, QWEN_05B))
    assert model.shape.parameters == 494_032_768
    assert model.quantization == "bf16"


def test_the_quantization_of_a_checkpoint_is_read_from_its_config(tmp_path: Path) -> None:
    assert (
        find_model(folder_with(tmp_path, QWEN_05B | {"quantization_config": {"quant_method": "awq"}})).quantization
        == "AWQ"
    )


def test_a_real_file_has_exactly_the_weights_that_follow_from_its_shape(coder_05b: Path) -> None:
    model = find_model(str(coder_05b))
    entry = CATALOG.find("qwen2.5-coder:0.5b")
    assert entry is not None
    with Checkpoint.open(coder_05b) as checkpoint:
        assert weights_of(entry.shape, "Q4_K_M").stored == checkpoint.total_bytes
    assert model.weights == weights_of(entry.shape, "Q4_K_M")
    assert model.quantization == "Q4_K_M"


@pytest.mark.parametrize("change", [{"hidden_size": 0}, {"vocab_size": "many"}, {"num_hidden_layers": None}])
def test_a_config_without_sensible_numbers_is_refused_with_the_name_of_the_field(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest, match=next(iter(change))):
        find_model(folder_with(tmp_path, QWEN_05B | change))


@pytest.mark.parametrize("config", [[], "text", None])
def test_a_config_that_is_no_object_is_refused(tmp_path: Path, config: object) -> None:
    with pytest.raises(InvalidRequest, match="no JSON object"):
        find_model(folder_with(tmp_path, config))


def test_a_config_that_is_not_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(b"{\xff")
    with pytest.raises(InvalidRequest, match="not JSON"):
        find_model(str(tmp_path))


@pytest.mark.parametrize("architectures", [["GPT2LMHeadModel"], [], None, "Qwen2", [1]])
def test_an_architecture_that_is_not_run_is_refused(tmp_path: Path, architectures: object) -> None:
    with pytest.raises(UnsupportedModel, match="does not run"):
        find_model(folder_with(tmp_path, QWEN_05B | {"architectures": architectures}))


def test_a_folder_without_a_config_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="config"):
        find_model(str(tmp_path))


def test_a_repository_that_cannot_be_reached_is_said_to_be_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(ModelNotFound, match="cannot be had"):
        find_model("Qwen/Qwen2.5-14B-Instruct")
