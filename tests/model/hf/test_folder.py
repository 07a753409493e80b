"""Hugging Face folders as checkpoints: what they say, and what is wrong with those that are not whole."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sevenb import LLM, SamplingParams
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, SevenbError, UnsupportedModel
from sevenb.model.catalog import CATALOG, display_name
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig
from sevenb.model.hf.config_from_hf import config_from_hf
from sevenb.model.store import Store
from tests.model.hf.folders import FolderMaker, make_folder, write_safetensors
from tests.model.hf.tiny_folder import HIDDEN, LAYERS, VOCABULARY, config, tensors, write_tiny_folder


def opened(folder: Path) -> ModelConfig:
    with Checkpoint.open(folder) as checkpoint:
        return checkpoint.config


def refused(folder: Path, error: type[SevenbError], words: str) -> None:
    """The folder is refused in one sentence with these words."""
    with pytest.raises(error, match=words) as refusal:
        Checkpoint.open(folder)
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 600


# -- sound folders ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["coder_05b", "smollm2"])
def test_a_folder_describes_the_decoder_that_its_gguf_file_describes(request: pytest.FixtureRequest, name: str) -> None:
    gguf = request.getfixturevalue(name)
    with Checkpoint.open(gguf) as checkpoint:
        original = checkpoint.config
        rope = replace(original.rope, interleaved=False)
        weights = {
            tensor.name: RawTensor(tensor.name, QuantType.BF16, tensor.shape, np.zeros(0, np.uint8))
            for tensor in checkpoint.tensors.values()
            if tensor.name != "output.weight"
        }
    model = config_from_hf(FolderMaker(gguf, "bf16").config, weights, None, name="It", source="It")
    assert model.norm_eps == pytest.approx(original.norm_eps)
    same: dict[str, Any] = {
        "name": "It",
        "quantization": "BF16",
        "norm_eps": model.norm_eps,
        "parameters": model.parameters,
    }
    assert model == replace(original, rope=rope, **same)


def test_a_folder_writes_the_text_of_the_gguf_file_that_it_was_made_of(smollm2: Path, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "SmolLM2-135M", smollm2, "bf16", shards=3)
    params = SamplingParams(temperature=0, max_tokens=16)
    texts = []
    for path in (folder, smollm2):
        with LLM(str(path), max_model_len=256) as llm:
            texts.append(llm.generate("def fibonacci(n):", params)[0].outputs[0].text)
    assert texts[0] == texts[1] != ""


def test_a_folder_is_called_as_its_repository_in_the_caches_of_hubs(tmp_path: Path) -> None:
    snapshot = write_tiny_folder(tmp_path / "models--Qwen--Qwen2.5-7B" / "snapshots" / ("0123456789" * 4))
    assert Checkpoint.open(snapshot).name == "Qwen2.5-7B"
    shutil.move(snapshot, tmp_path / "Qwen--Qwen2.5-7B-AWQ")
    assert Checkpoint.open(tmp_path / "Qwen--Qwen2.5-7B-AWQ").name == "Qwen2.5-7B-AWQ"


def test_a_folder_has_its_own_name_by_whatever_path_it_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = write_tiny_folder(tmp_path / "models--Org--My--Model" / "snapshots" / ("0123456789" * 4))
    (snapshot / "inner").mkdir()
    for place, name in ((snapshot, "."), (snapshot.parent, f"./{snapshot.name}"), (snapshot / "inner", "..")):
        monkeypatch.chdir(place)
        assert display_name(CATALOG.reference(name)) == "Org/My--Model"
        assert Checkpoint.open(Path(name)).name == "My--Model"
    plain = write_tiny_folder(tmp_path / "plain" / "inner").parent
    shutil.copytree(plain / "inner", plain, dirs_exist_ok=True)
    monkeypatch.chdir(plain / "inner")
    assert display_name(CATALOG.reference("..")) == Checkpoint.open(Path("..")).name == "plain"
    (plain / "config.json").write_text("{")
    refused(Path(".."), CorruptModelFile, "^plain is not a whole")


def test_links_to_files_elsewhere_are_followed_as_in_the_cache_of_the_hub(tmp_path: Path) -> None:
    blobs = write_tiny_folder(tmp_path / "blobs")
    folder = tmp_path / "snapshot"
    folder.mkdir()
    for file in blobs.iterdir():
        (folder / file.name).symlink_to(Path("..") / "blobs" / file.name)
    assert opened(folder).hidden_size == HIDDEN


def test_a_head_that_is_the_embedding_is_not_loaded_twice(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path, config_json=config(tie_word_embeddings=True))
    with Checkpoint.open(tmp_path) as checkpoint:
        assert "output.weight" not in checkpoint.tensors


def test_a_model_for_vectors_has_names_without_a_prefix(tmp_path: Path) -> None:
    weights = {name.removeprefix("model."): tensor for name, tensor in tensors(**{"lm_head.weight": None}).items()}
    document = config(architectures=["Qwen2Model"], tie_word_embeddings=True)
    assert opened(write_tiny_folder(tmp_path, config_json=document, weights=weights)).layers == LAYERS


def test_the_angles_that_old_files_hold_are_left_out(tmp_path: Path) -> None:
    extra = {"model.layers.0.self_attn.rotary_emb.inv_freq": np.ones(4, np.float32)}
    assert opened(write_tiny_folder(tmp_path, weights=tensors(**extra))).layers == LAYERS


def test_gguf_files_in_a_folder_go_first(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path)
    store = Store(tmp_path / "home")
    assert store.resolve(str(tmp_path)) == tmp_path
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert store.resolve(str(tmp_path)) == tmp_path / "model.gguf"


_YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512}
_LLAMA3 = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 256,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"base": 10000.0, "scaling": None}),
        ({"rope_scaling": {"type": "default"}}, {"scaling": None}),
        ({"rope_theta": 1e6}, {"base": 1e6}),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, {"scaling": "linear", "factor": 2.0}),
        ({"rope_scaling": _YARN}, {"scaling": "yarn", "factor": 4.0, "original_context": 512}),
        ({"rope_scaling": _YARN | {"attention_factor": 0.5}}, {"attention_factor": 0.5}),
        ({"rope_scaling": _LLAMA3}, {"scaling": "llama3", "low_frequency_factor": 1.0, "high_frequency_factor": 4.0}),
        ({"rope_theta": None, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}, {"base": 5e5}),
        ({"rope_theta": None, "rope_parameters": _LLAMA3 | {"rope_theta": 5e5}}, {"base": 5e5, "scaling": "llama3"}),
    ],
)
def test_rotation_is_read_from_old_and_new_configurations(
    tmp_path: Path, changes: dict[str, Any], expected: dict[str, Any]
) -> None:
    rope = opened(write_tiny_folder(tmp_path, config_json=config(**changes))).rope
    assert {key: getattr(rope, key) for key in expected} == expected


def test_stretching_by_yarn_gives_the_longer_context(tmp_path: Path) -> None:
    assert opened(write_tiny_folder(tmp_path, config_json=config(rope_scaling=_YARN))).context_length == 2048
    nothing = config(rope_scaling=_YARN | {"factor": 1e-9})
    assert opened(write_tiny_folder(tmp_path, config_json=nothing)).context_length == 1


@pytest.mark.parametrize(
    ("changes", "window"),
    [
        ({"sliding_window": 64, "use_sliding_window": False}, None),
        ({"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 0}, 64),
        ({"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 28}, None),
        ({"sliding_window": 64, "use_sliding_window": True, "layer_types": ["sliding_attention"] * LAYERS}, 64),
        ({"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": 64}, 64),
        ({"model_type": "mistral", "architectures": ["MistralForCausalLM"], "sliding_window": None}, None),
    ],
)
def test_a_window_counts_where_the_configuration_uses_it(
    tmp_path: Path, changes: dict[str, Any], window: int | None
) -> None:
    assert opened(write_tiny_folder(tmp_path, config_json=config(**changes))).sliding_window == window


# -- weights that are not whole --------------------------------------------------------------------------


def sharded(folder: Path) -> Path:
    """The tiny folder in two shards with an index."""
    weights = tensors()
    write_tiny_folder(folder, weights={})
    (folder / "model.safetensors").unlink()
    names = list(weights)
    weight_map: dict[str, str] = {}
    for number, part in enumerate((names[: len(names) // 2], names[len(names) // 2 :]), 1):
        file = f"model-{number:05}-of-00002.safetensors"
        write_safetensors(folder / file, {name: weights[name] for name in part})
        weight_map |= dict.fromkeys(part, file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return folder


def change_index(folder: Path, **weight_map: object) -> Path:
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    index["weight_map"] |= weight_map
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_shards_are_one_model(tmp_path: Path) -> None:
    assert opened(sharded(tmp_path)) == replace(opened(write_tiny_folder(tmp_path / "one")), name=tmp_path.name)


def test_shards_without_their_index_are_one_model_too(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model.safetensors.index.json").unlink()
    assert opened(tmp_path).layers == LAYERS
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    refused(tmp_path, ModelNotFound, r"lacks model-00002-of-00002\.safetensors")


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    (sharded(tmp_path) / "model-00002-of-00002.safetensors").unlink()
    refused(tmp_path, ModelNotFound, r"lacks model-00002-of-00002\.safetensors, one of the 2 files that")


def test_a_whole_file_goes_before_an_index_that_was_left_beside_it(tmp_path: Path) -> None:
    write_tiny_folder(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": "gone.safetensors"}}))
    assert opened(tmp_path).layers == LAYERS


def test_an_index_of_tensors_that_are_not_there_is_refused(tmp_path: Path) -> None:
    change_index(sharded(tmp_path), **{"model.layers.9.x": "model-00001-of-00002.safetensors"})
    refused(tmp_path, CorruptModelFile, r"says that model-00001-of-00002\.safetensors holds the tensor 'model.layers")


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", 7, None, "x.bin"])
def test_an_index_names_no_files_elsewhere(tmp_path: Path, name: object) -> None:
    change_index(sharded(tmp_path), **{"lm_head.weight": name})
    refused(tmp_path, CorruptModelFile, "which is no safetensors file in this folder")


def test_a_truncated_shard_is_refused(tmp_path: Path) -> None:
    file = write_tiny_folder(tmp_path) / "model.safetensors"
    os.truncate(file, file.stat().st_size - 1000)
    refused(tmp_path, CorruptModelFile, r"ends at byte [\d,]+ of [\d,]+; download it again")
    os.truncate(file, 100)
    refused(tmp_path, CorruptModelFile, "its header would have")
    os.truncate(file, 0)
    refused(tmp_path, CorruptModelFile, "it is empty")


def test_files_of_weights_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    file = write_tiny_folder(tmp_path) / "model.safetensors"
    file.write_bytes(b"GGUF" + bytes(400))
    refused(tmp_path, CorruptModelFile, r"it is a GGUF file, whose name should end in \.gguf")
    write_safetensors(file, {})
    refused(tmp_path, CorruptModelFile, "it holds no tensors")
    header = json.dumps(
        {
            "model.norm.weight": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
            "lm_head.weight": {"dtype": "F32", "shape": [4], "data_offsets": [12, 28]},
        }
    ).encode()
    file.write_bytes(len(header).to_bytes(8, "little") + header + bytes(28))
    refused(tmp_path, CorruptModelFile, "tensors 'model.norm.weight' and 'lm_head.weight' share bytes")


def test_a_configuration_that_is_a_link_to_itself_is_told(tmp_path: Path) -> None:
    (write_tiny_folder(tmp_path) / "config.json").unlink()
    (tmp_path / "config.json").symlink_to("config.json")
    refused(Store(tmp_path / "home").resolve(str(tmp_path)), SevenbError, r"config\.json cannot be read")


def test_a_pointer_of_git_lfs_is_told(tmp_path: Path) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n"
    (write_tiny_folder(tmp_path) / "model.safetensors").write_text(pointer)
    refused(tmp_path, CorruptModelFile, "Git LFS pointer, and `git lfs pull`")


def test_weights_that_may_run_code_are_not_read(tmp_path: Path) -> None:
    (write_tiny_folder(tmp_path) / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    refused(tmp_path, UnsupportedModel, "PyTorch's format, which may run code")


def test_no_weights_at_all_are_told(tmp_path: Path) -> None:
    (write_tiny_folder(tmp_path) / "model.safetensors").unlink()
    refused(tmp_path, ModelNotFound, "holds no .safetensors file")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.norm.weight": None}, r"lacks the tensor 'model\.norm\.weight'"),
        ({"lm_head.weight": None}, r"lacks the tensor 'lm_head\.weight'"),
        ({"model.layers.1.mlp.up_proj.weight": None}, r"lacks the tensor 'model\.layers\.1\.mlp\.up_proj\.weight'"),
        (
            {"model.layers.0.mlp.up_proj.weight": np.zeros((8, HIDDEN), np.float32)},
            r"'model\.layers\.0\.mlp\.up_proj\.weight' has the shape \(8, 32\), not \(64, 32\)",
        ),
        ({"model.norm.weight": np.zeros((), np.float32)}, r"has the shape \(\), not"),
        ({"model.embed_tokens.weight": np.zeros((10, HIDDEN), np.float32)}, r"has the shape \(10, 32\), not"),
        ({"norm.weight": np.zeros(HIDDEN, np.float32)}, "two of its tensors mean 'output_norm.weight'"),
    ],
)
def test_weights_that_disagree_with_the_configuration_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    refused(write_tiny_folder(tmp_path, weights=tensors(**changes)), CorruptModelFile, words)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.layers.0.mlp.experts.0.up_proj.weight": np.zeros((8, 8), np.float32)}, "has the tensor"),
        ({"model.layers.0.self_attn.o_proj.bias": np.zeros(HIDDEN, np.float32)}, "has the tensor"),
        ({"model.norm.weight": np.zeros(HIDDEN, np.int32)}, "as I32, which sevenb does not read"),
        ({"weird": np.zeros(3, np.float32)}, "has the tensor 'weird'"),
    ],
)
def test_weights_that_no_decoder_has_a_place_for_are_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    refused(write_tiny_folder(tmp_path, weights=tensors(**changes)), UnsupportedModel, words)


# -- configurations that cannot be -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 10**30},
        {"hidden_size": -1},
        {"hidden_size": "32"},
        {"hidden_size": True},
        {"hidden_size": 32.5},
        {"hidden_size": float("nan")},
        {"num_hidden_layers": 10**9},
        {"num_attention_heads": 0},
        {"num_key_value_heads": 3},
        {"head_dim": 1 << 40},
        {"rms_norm_eps": 0},
        {"rms_norm_eps": "small"},
        {"rope_theta": float("inf")},
        {"rope_scaling": "yarn"},
        {"rope_scaling": {"type": "linear"}},
        {"rope_scaling": {"type": "yarn", "factor": -1}},
        {"rope_scaling": {"type": ["yarn"]}},
        {"rope_scaling": _LLAMA3 | {"high_freq_factor": 0.5}},
        {"max_position_embeddings": 1 << 60},
        {"vocab_size": VOCABULARY + 1},
        {"vocab_size": None},
        {"model_type": None},
        {"model_type": {"a": 1}},
        {"sliding_window": "far", "use_sliding_window": True},
        {"quantization_config": 4},
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    refused(write_tiny_folder(tmp_path, config_json=config(**changes)), CorruptModelFile, "; download it again")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_type": "deepseek_v3"}, "'deepseek_v3'"),
        ({"model_type": "\x1b[31mred\n" * 50}, r"x1b\[31mred"),
        ({"architectures": ["Qwen2ForSequenceClassification"]}, "'Qwen2ForSequenceClassification'"),
        ({"hidden_act": "gelu"}, "the activation 'gelu'"),
        ({"num_experts": 64}, "sets num_experts to 64"),
        ({"final_logit_softcapping": 30.0}, "sets final_logit_softcapping"),
        ({"rope_scaling": {"type": "longrope", "factor": 2.0}}, "stretches RoPE by the method 'longrope'"),
        ({"sliding_window": 64, "use_sliding_window": True, "max_window_layers": 1}, "sliding window in some"),
        ({"quantization_config": {"quant_method": "bitsandbytes"}}, "bitsandbytes"),
    ],
)
def test_a_model_of_another_kind_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    refused(write_tiny_folder(tmp_path, config_json=config(**changes)), UnsupportedModel, words)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[1]",
        "null",
        "[" * 200_000,
        '{"a": ' + "9" * 10_000 + "}",
        '{"a": "\ud800"}'.encode("utf-8", "surrogatepass"),
    ],
)
@pytest.mark.parametrize("name", ["config.json", "generation_config.json", "model.safetensors.index.json"])
def test_files_that_hold_no_json_object_are_refused(tmp_path: Path, name: str, text: str | bytes) -> None:
    sharded(tmp_path)
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    refused(tmp_path, CorruptModelFile, name)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors", "chat_template.jinja"])
def test_what_is_no_file_is_refused_and_never_waited_for(tmp_path: Path, name: str) -> None:
    folder = write_tiny_folder(tmp_path / "model")
    path = folder / name
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    refused(folder, CorruptModelFile, "is not a regular file")
    path.unlink()
    path.symlink_to(name)
    refused(folder, SevenbError, "model")
    path.unlink()
    path.symlink_to("nowhere")
    refused(folder, SevenbError, name)


def test_a_file_that_is_larger_than_any_real_one_is_not_read(tmp_path: Path) -> None:
    os.truncate(write_tiny_folder(tmp_path) / "config.json", 1 << 33)
    refused(tmp_path, CorruptModelFile, r"config\.json has 8,589,934,592 bytes")


def test_a_folder_of_neither_kind_says_what_to_name(tmp_path: Path) -> None:
    refused(tmp_path, ModelNotFound, r"has no config\.json; name a \.gguf file, or the folder of a Hugging Face model")
    with pytest.raises(ModelNotFound, match=r"holds neither a \.gguf file nor the config\.json"):
        Store(tmp_path / "home").resolve(str(tmp_path))
