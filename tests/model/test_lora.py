"""LoRA adapters: both forms mean the same weights, and what cannot be applied is refused."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sevenb.backend.protocol import AdapterRun
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.backend.reference import ReferenceBackend
from sevenb.backend.reference.dequantize import dequantize
from sevenb.errors import CorruptModelFile, ModelNotFound, SevenbError, UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.decoder import Decoder
from sevenb.model.lora import RANK_STEP, LoraAdapter
from sevenb.model.rope import RopeProfile
from tests.backend.tiny_model import Chunk, make_batch, raw_q8_0
from tests.model.gguf_writer import encode, float_tensor
from tests.model.random_adapter import RandomAdapter, safetensors
from tests.model.tiny_gguf import TinyModel

PROMPT = [int(token) for token in np.random.default_rng(5).integers(0, 288, 30)]
ARCHITECTURES = pytest.mark.parametrize("architecture", ["qwen2", "llama"])


def tiny(folder: Path, architecture: str = "qwen2", quant_type: QuantType = QuantType.F32) -> Checkpoint:
    return Checkpoint.open(TinyModel(architecture, quant_type).write(folder / "tiny.gguf"))


def logits(checkpoint: Checkpoint, adapter: LoraAdapter | None = None) -> npt.NDArray[np.float32]:
    """Of every token of the prompt, on the reference backend."""
    decoder = Decoder(checkpoint, ReferenceBackend())
    batch = make_batch([Chunk(PROMPT, 0, [0, 1, 2, 3])], RopeProfile(checkpoint.config.rope))
    if adapter is not None:
        decoder.add_adapter("tuned", adapter)
        batch = replace(batch, adapters=(AdapterRun(0, len(PROMPT), "tuned"),))
    cache = decoder.backend.allocate_kv(decoder.kv_layout(8, "f32"), 4)
    return decoder.backend.to_host(decoder.forward(batch, cache))


@ARCHITECTURES
@pytest.mark.parametrize("form", [RandomAdapter.write_gguf, RandomAdapter.write_peft], ids=["gguf", "peft"])
def test_an_adapter_gives_the_logits_of_merged_weights(
    architecture: str, form: Callable[[RandomAdapter, Path], Path], tmp_path: Path
) -> None:
    base = tiny(tmp_path, architecture)
    adapter = RandomAdapter.of(base)
    expected, without = logits(adapter.merged_into(base)), logits(base)
    actual = logits(base, LoraAdapter.open(form(adapter, tmp_path / "adapter"), base))
    assert np.abs(expected - without).max() > 0.3 * np.abs(without).max()
    np.testing.assert_allclose(actual, expected, atol=2e-4 * np.abs(expected).max())


@ARCHITECTURES
def test_both_forms_of_an_adapter_are_the_same_to_the_last_bit(architecture: str, tmp_path: Path) -> None:
    base = tiny(tmp_path, architecture)
    adapter = RandomAdapter.of(base, rank=5)
    one = LoraAdapter.open(adapter.write_gguf(tmp_path / "adapter.gguf"), base)
    other = LoraAdapter.open(adapter.write_peft(tmp_path / "adapter"), base)
    by_its_file = LoraAdapter.open(tmp_path / "adapter" / "adapter_model.safetensors", base)
    assert one.digest() == other.digest() == by_its_file.digest()
    assert one.digest() != LoraAdapter.open(adapter.scaled(2).write_gguf(tmp_path / "twice.gguf"), base).digest()


def test_ranks_are_filled_up_to_whole_steps_and_counted(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    adapter = LoraAdapter.open(RandomAdapter.of(base, rank=5).write_gguf(tmp_path / "adapter.gguf"), base)
    pair = adapter.layers[0]["query"]
    assert pair.shrink.shape == (RANK_STEP, 256)
    assert pair.expand.shape == (256, RANK_STEP)
    sizes = [sum(tensor.shape) for layer in adapter.layers for tensor in (layer["query"].shrink, layer["down"].expand)]
    assert adapter.total_bytes > 4 * RANK_STEP * sum(sizes)
    decoder = Decoder(base, ReferenceBackend())
    before = decoder.weight_bytes
    decoder.add_adapter("tuned", adapter)
    assert decoder.weight_bytes - before == adapter.total_bytes


@pytest.mark.parametrize("quant_type", [QuantType.F16, QuantType.BF16, QuantType.Q8_0])
def test_matrices_may_have_any_type(quant_type: QuantType, tmp_path: Path) -> None:
    base = tiny(tmp_path)
    adapter = RandomAdapter.of(base, rank=32, parts=("attn_q",))
    whole = LoraAdapter.open(adapter.write_gguf(tmp_path / "f32.gguf"), base)
    tensors = [
        float_tensor(f"{name}.weight.lora_{side}", matrix)
        for name, pair in adapter.pairs.items()
        for side, matrix in zip("ab", pair, strict=True)
    ]
    path = tmp_path / "other.gguf"
    metadata = {"general.architecture": "qwen2", "general.type": "adapter", "adapter.type": "lora"}
    rounded = [_rounded(tensor, quant_type) for tensor in tensors]
    path.write_bytes(encode(metadata | {"adapter.lora.alpha": adapter.alpha}, rounded))
    np.testing.assert_allclose(logits(base, LoraAdapter.open(path, base)), logits(base, whole), atol=0.1)


def test_rank_stabilised_and_patterned_alphas_scale_as_peft_does(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base, rank=16, alpha=8).write_peft(
        tmp_path / "adapter", use_rslora=True, alpha_pattern={"q_proj": 4, r"layers\.1\..*\.up_proj": 12}
    )
    layers = LoraAdapter.open(folder, base).layers
    assert [layer["key"].scale for layer in layers] == [2.0, 2.0]
    assert [layer["query"].scale for layer in layers] == [1.0, 1.0]
    assert [layer["up"].scale for layer in layers] == [2.0, 3.0]


def test_a_file_without_alpha_is_applied_as_it_is(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    path = RandomAdapter.of(base).scaled(0).write_gguf(tmp_path / "adapter.gguf")
    assert LoraAdapter.open(path, base).layers[0]["query"].scale == 1.0


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "word"),
    [
        ({"peft_type": "IA3"}, "another kind"),
        ({"use_dora": True}, "use_dora"),
        ({"bias": "all"}, "bias"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"init_lora_weights": "pissa_niter_4"}, "pissa"),
        ({"lora_alpha": "16"}, "lora_alpha"),
        ({"lora_alpha": None}, "lora_alpha"),
        ({"alpha_pattern": {"(": 3}}, "regular expression"),
        ({"alpha_pattern": ["q_proj"]}, "alpha_pattern"),
    ],
)
def test_peft_configurations_that_mean_more_are_refused(config: dict[str, object], word: str, tmp_path: Path) -> None:
    base = tiny(tmp_path)
    with pytest.raises((UnsupportedModel, CorruptModelFile), match=word):
        LoraAdapter.open(RandomAdapter.of(base).write_peft(tmp_path / "adapter", **config), base)


@pytest.mark.parametrize(
    ("metadata", "word"),
    [
        ({"general.type": "model"}, "not an adapter"),
        ({"adapter.type": "ia3"}, "another kind"),
        ({"adapter.alora.invocation_tokens": [1, 2]}, "another kind"),
        ({"general.architecture": "llama"}, "architecture 'llama'"),
        ({"adapter.lora.alpha": "many"}, "alpha"),
        ({"adapter.lora.alpha": float("nan")}, "alpha"),
    ],
)
def test_gguf_files_of_another_kind_are_refused(metadata: dict[str, object], word: str, tmp_path: Path) -> None:
    base = tiny(tmp_path)
    with pytest.raises((UnsupportedModel, CorruptModelFile), match=word):
        LoraAdapter.open(RandomAdapter.of(base).write_gguf(tmp_path / "adapter.gguf", **metadata), base)


@pytest.mark.parametrize(
    ("pairs", "word"),
    [
        ({}, "changes nothing"),
        ({"blk.0.attn_q": (np.ones((4, 256)), np.ones((128, 4)))}, "does not fit"),
        ({"blk.0.attn_q": (np.ones((4, 128)), np.ones((256, 4)))}, "does not fit"),
        ({"blk.0.attn_q": (np.ones((4, 256)), np.ones((256, 8)))}, "does not fit"),
        ({"blk.0.attn_q": (np.ones(256), np.ones((256, 1)))}, "does not fit"),
        ({"blk.7.attn_q": (np.ones((4, 256)), np.ones((256, 4)))}, "blk.7.attn_q"),
        ({"blk.0.attn_norm": (np.ones((4, 256)), np.ones((1, 4)))}, "attn_norm"),
        ({"token_embd": (np.ones((4, 256)), np.ones((288, 4)))}, "token_embd"),
        ({"blk.0.attn_q": (np.full((4, 256), np.inf), np.ones((256, 4)))}, "finite"),
    ],
)
def test_matrices_that_do_not_fit_are_refused(
    pairs: dict[str, tuple[np.ndarray, np.ndarray]], word: str, tmp_path: Path
) -> None:
    base = tiny(tmp_path)
    adapter = RandomAdapter(base.config, pairs, 8.0)
    with pytest.raises((UnsupportedModel, CorruptModelFile), match=word):
        LoraAdapter.open(adapter.write_gguf(tmp_path / "adapter.gguf"), base)


@pytest.mark.parametrize(
    "name",
    [
        "base_model.model.model.layers.0.self_attn.q_proj.lora_magnitude_vector",
        "base_model.model.model.embed_tokens.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.bias",
        "base_model.model.lm_head.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.qkv_proj.lora_A.weight",
    ],
)
def test_peft_tensors_that_are_no_low_rank_pair_are_refused(name: str, tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base).write_peft(tmp_path / "adapter")
    tensors = {name: np.ones((4, 256), np.float32)}
    if "lora_A" in name:
        tensors[name.replace("lora_A", "lora_B")] = np.ones((256, 4), np.float32)
    (folder / "adapter_model.safetensors").write_bytes(safetensors(tensors))
    with pytest.raises(UnsupportedModel):
        LoraAdapter.open(folder, base)


def test_half_a_pair_is_refused(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base).write_peft(tmp_path / "adapter")
    name = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    (folder / "adapter_model.safetensors").write_bytes(safetensors({name: np.ones((4, 256), np.float32)}))
    with pytest.raises(CorruptModelFile, match="one matrix of a pair"):
        LoraAdapter.open(folder, base)


@pytest.mark.parametrize(
    ("remove", "word"),
    [("adapter_config.json", "no adapter_config.json"), ("adapter_model.safetensors", "no file")],
)
def test_a_folder_that_lacks_a_file_is_refused(remove: str, word: str, tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base).write_peft(tmp_path / "adapter")
    (folder / remove).unlink()
    with pytest.raises(ModelNotFound, match=word):
        LoraAdapter.open(folder, base)


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base).write_peft(tmp_path / "adapter")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(UnsupportedModel, match="may run code"):
        LoraAdapter.open(folder, base)


def test_a_file_that_is_nowhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="nowhere"):
        LoraAdapter.open(tmp_path / "nowhere.gguf", tiny(tmp_path))


def test_damaged_safetensors_are_refused_and_never_crash(tmp_path: Path) -> None:
    base = tiny(tmp_path)
    folder = RandomAdapter.of(base, rank=1).write_peft(tmp_path / "adapter")
    weights = folder / "adapter_model.safetensors"
    whole = weights.read_bytes()
    header = int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(0, header + 8)] = rng.integers(0, 256)
        weights.write_bytes(damaged[: rng.integers(0, len(whole))] if rng.random() < 0.3 else damaged)
        try:
            LoraAdapter.open(folder, base)
        except SevenbError:
            refused += 1
    assert refused > 200


def _rounded(tensor: RawTensor, quant_type: QuantType) -> RawTensor:
    """The same numbers, as well as a type can hold them."""
    numbers = dequantize(tensor)
    if quant_type is QuantType.Q8_0:
        return raw_q8_0(tensor.name, numbers)
    if quant_type is QuantType.F16:
        data = numbers.astype(np.float16).view(np.uint8).reshape(-1)
    else:
        data = np.ascontiguousarray(numbers.view(np.uint16).reshape(-1)[1::2]).view(np.uint8)
    return RawTensor(tensor.name, quant_type, tensor.shape, data)
