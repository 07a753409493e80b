"""What metadata and tensors say about a decoder, and which ones are refused."""

import math
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.config import ModelConfig, RopeConfig
from sevenb.model.config_from_gguf import config_from_gguf
from sevenb.model.gguf_header import read_header
from tests.model.gguf_writer import encode, float_tensor
from tests.model.tiny_gguf import TinyModel

TINY = TinyModel()
LLAMA = replace(TINY, architecture="llama")
QWEN3 = replace(TINY, architecture="qwen3", head_dim=128)
YARN = {"qwen2.rope.scaling.type": "yarn", "qwen2.rope.scaling.factor": 4.0}


def config_of(
    model: TinyModel = TINY,
    metadata: dict[str, Any] | None = None,
    without: Iterable[str] = (),
    tensors: Iterable[RawTensor] = (),
) -> ModelConfig:
    """The configuration of a tiny model with other or fewer metadata, and some tensors added or replaced."""
    values = {key: value for key, value in (model.metadata() | (metadata or {})).items() if key not in without}
    weights = {tensor.name: tensor for tensor in [*model.tensors(), *tensors] if tensor.name not in without}
    header = read_header(np.frombuffer(encode(values, list(weights.values())), np.uint8), "tiny.gguf")
    return config_from_gguf(header.metadata, header.tensors, "tiny.gguf")


# -- what is read --------------------------------------------------------------------------------------


def test_a_qwen2_model() -> None:
    config = config_of()

    assert config == ModelConfig(
        architecture="qwen2",
        name="Tiny qwen2",
        vocab_size=288,
        hidden_size=256,
        intermediate_size=512,
        layers=2,
        heads=4,
        kv_heads=2,
        head_dim=64,
        norm_eps=float(np.float32(1e-6)),
        context_length=512,
        rope=RopeConfig(base=1e6, dim=64, interleaved=False),
        parameters=sum(math.prod(tensor.shape) for tensor in TINY.tensors()),
        quantization="Q8_0",
    )


def test_a_llama_model_rotates_neighbours() -> None:
    assert config_of(LLAMA).rope == RopeConfig(base=1e6, dim=64, interleaved=True)


def test_llama_models_may_have_biases() -> None:
    biases = [tensor for tensor in TINY.tensors() if tensor.name.endswith(".bias")]

    assert config_of(LLAMA, tensors=biases).layers == 2


def test_what_a_file_may_leave_out() -> None:
    keys = ("attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.freq_base")
    config = config_of(
        replace(LLAMA, kv_heads=4), without=["general.name", "output.weight", *(f"llama.{key}" for key in keys)]
    )

    assert config.kv_heads == config.heads == 4
    assert config.head_dim == 64
    assert config.rope.base == 10_000
    assert config.name == "tiny.gguf"


def test_heads_may_be_wider_than_their_share_of_the_hidden_size() -> None:
    assert config_of(replace(TINY, head_dim=128)).head_dim == 128


def test_only_a_part_of_each_head_may_be_rotated() -> None:
    assert config_of(metadata={"qwen2.rope.dimension_count": 32}).rope.dim == 32


@pytest.mark.parametrize(("stored", "window"), [(4096, 4096), (0, None)])
def test_mistral_slides_its_window(stored: int, window: int | None) -> None:
    assert config_of(LLAMA, {"llama.attention.sliding_window": stored}).sliding_window == window


def test_linear_rope_scaling() -> None:
    rope = config_of(metadata={"qwen2.rope.scaling.type": "linear", "qwen2.rope.scaling.factor": 4.0}).rope

    assert (rope.scaling, rope.factor) == ("linear", 4.0)


@pytest.mark.parametrize("scaling", [{"type": "none", "factor": 4.0}, {"type": "yarn", "factor": 1.0}, {"factor": 8.0}])
def test_rope_that_is_not_stretched(scaling: dict[str, Any]) -> None:
    metadata = {f"qwen2.rope.scaling.{key}": value for key, value in scaling.items()}

    assert config_of(metadata=metadata).rope == RopeConfig(base=1e6, dim=64, interleaved=False)


def test_yarn_rope_scaling() -> None:
    plain = config_of(metadata=YARN).rope
    assert (plain.scaling, plain.factor, plain.original_context) == ("yarn", 4.0, 512)
    assert (plain.attention_factor, plain.beta_fast, plain.beta_slow) == (None, 32.0, 1.0)

    tuned = config_of(
        metadata={
            **YARN,
            "qwen2.rope.scaling.original_context_length": 128,
            "qwen2.rope.scaling.attn_factor": 0.5,
            "qwen2.rope.scaling.yarn_beta_fast": 16.0,
            "qwen2.rope.scaling.yarn_beta_slow": 2.0,
        }
    ).rope
    assert (tuned.original_context, tuned.beta_fast, tuned.beta_slow) == (128, 16.0, 2.0)
    assert tuned.attention_factor == pytest.approx(0.5 * (1 + 0.1 * math.log(4)))


@pytest.mark.parametrize(
    ("metadata", "context"),
    [
        ({}, 32_768),  # as in Qwen's own files of its 7B: no model of this base was trained with more
        (YARN, 131_072),  # stretched by the file itself
        ({"qwen2.rope.freq_base": 1e7}, 131_072),
        ({"qwen2.context_length": 65_536}, 65_536),
    ],
)
def test_qwen_files_that_state_the_context_yarn_would_give_them(metadata: dict[str, Any], context: int) -> None:
    config = config_of(metadata={"qwen2.context_length": 131_072, **metadata})

    assert config.context_length == context


def test_llama3_brings_its_frequency_factors() -> None:
    factors = [1.0] * 16 + [8.0] * 16

    config = config_of(LLAMA, tensors=[float_tensor("rope_freqs.weight", factors)])

    assert config.rope.frequency_factors == tuple(factors)
    assert config.parameters == config_of(LLAMA).parameters


def test_a_name_cannot_write_to_a_terminal() -> None:
    assert config_of(metadata={"general.name": "\x1b[2JTiny\n" + "千" * 1000}).name == "[2JTiny" + "千" * 193


@pytest.mark.parametrize(("number", "name"), [(15, "Q4_K_M"), (1 | 1024, "F16"), (999, "Q8_0")])
def test_the_quantisation_has_a_name(number: int, name: str) -> None:
    assert config_of(metadata={"general.file_type": number}).quantization == name


# -- what is refused -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("attention.head_count", 0),
        ("attention.head_count", 3),  # no multiple of 2 KV heads
        ("attention.head_count", 2**32 - 1),
        ("attention.head_count", "four"),
        ("attention.head_count", True),
        ("attention.head_count", 4.0),
        ("attention.head_count_kv", 0),
        ("attention.head_count_kv", 8),
        ("attention.key_length", 0),
        ("attention.key_length", 2**31),
        ("block_count", 0),
        ("block_count", 3),
        ("block_count", 10**9),
        ("block_count", np.int32(-1)),
        ("embedding_length", 0),
        ("embedding_length", 128),
        ("embedding_length", np.uint64(2**63)),
        ("feed_forward_length", 511),
        ("context_length", 0),
        ("context_length", 2**31),
        ("rope.dimension_count", 63),
        ("rope.dimension_count", 0),
        ("rope.dimension_count", 128),
        ("rope.freq_base", 0.0),
        ("rope.freq_base", -1e4),
        ("rope.freq_base", math.nan),
        ("rope.freq_base", math.inf),
        ("attention.layer_norm_rms_epsilon", 0.0),
        ("attention.layer_norm_rms_epsilon", -1e-6),
        ("attention.layer_norm_rms_epsilon", math.nan),
        ("attention.sliding_window", np.int32(-1)),
        ("rope.scaling.factor", 0.0),
        ("rope.scaling.factor", math.nan),
        ("rope.scaling.type", 7),
    ],
)
def test_hostile_numbers_are_refused(key: str, value: Any) -> None:
    with pytest.raises(CorruptModelFile, match=r"^tiny\.gguf "):
        config_of(metadata={f"qwen2.{key}": value})


@pytest.mark.parametrize(
    "key",
    ["context_length", "embedding_length", "block_count", "feed_forward_length", "attention.head_count"],
)
def test_missing_keys_are_named(key: str) -> None:
    with pytest.raises(CorruptModelFile, match=rf"lacks qwen2\.{key}"):
        config_of(without=[f"qwen2.{key}"])


def test_a_file_without_an_architecture_is_refused() -> None:
    with pytest.raises(CorruptModelFile, match=r"lacks general\.architecture"):
        config_of(without=["general.architecture"])


REQUIRED = sorted(tensor.name for tensor in TINY.tensors() if tensor.name != "output.weight")


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_tensors_are_named(name: str) -> None:
    with pytest.raises(CorruptModelFile, match=name):
        config_of(without=[name])


@pytest.mark.parametrize("name", [*REQUIRED, "output.weight"])
def test_misshaped_tensors_are_named(name: str) -> None:
    with pytest.raises(CorruptModelFile, match=name):
        config_of(tensors=[float_tensor(name, np.zeros((288, 32)))])


@pytest.mark.parametrize("tokens", [287, 289])
def test_a_vocabulary_of_another_size_than_its_embeddings_is_refused(tokens: int) -> None:
    with pytest.raises(CorruptModelFile, match=f"{tokens} tokens but embeddings for 288"):
        config_of(metadata={"tokenizer.ggml.tokens": ["x"] * tokens})


def test_a_qwen3_model_has_heads_of_its_own_length() -> None:
    config = config_of(QWEN3)
    assert (config.architecture, config.hidden_size, config.heads, config.head_dim) == ("qwen3", 256, 4, 128)
    assert config.rope == RopeConfig(base=1e6, dim=128, interleaved=False)


def test_a_qwen3_reranker_may_bring_its_classifier() -> None:
    assert config_of(QWEN3, tensors=[float_tensor("cls.output.weight", [[0.5] * 256] * 2)]).architecture == "qwen3"


@pytest.mark.parametrize("kind", ["q", "k"])
def test_a_qwen3_model_without_the_norms_of_its_heads_is_refused(kind: str) -> None:
    with pytest.raises(CorruptModelFile, match=f"attn_{kind}_norm"):
        config_of(QWEN3, without=[f"blk.1.attn_{kind}_norm.weight"])


def test_a_qwen3_model_has_no_place_for_biases() -> None:
    with pytest.raises(UnsupportedModel, match=r"attn_q\.bias"):
        config_of(QWEN3, tensors=[float_tensor("blk.0.attn_q.bias", [0.0] * 512)])


@pytest.mark.parametrize(
    "factors", [[1.0] * 31, [1.0] * 31 + [0.0], [1.0] * 31 + [math.nan], [-1.0] * 32, [[1.0] * 32]]
)
def test_bad_frequency_factors_are_refused(factors: list[Any]) -> None:
    with pytest.raises(CorruptModelFile, match="rope_freqs"):
        config_of(LLAMA, tensors=[float_tensor("rope_freqs.weight", factors)])


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"general.architecture": "qwen3moe"}, "'qwen3moe'.*qwen2, qwen3 or llama"),
        ({"general.architecture": "\x1b[31m" * 100}, "x1b"),
        ({"general.type": "adapter"}, "'adapter', not a model"),
        ({"general.type": list(range(500))}, "not a model"),
        ({"qwen2.expert_count": 8}, "mixture of 8 experts"),
        ({"qwen2.expert_count": [8, 8]}, "mixture"),
        ({"qwen2.attention.causal": False}, "attend to those behind"),
        ({"qwen2.logit_scale": 0.5}, "logit_scale"),
        ({"qwen2.attention.head_count": [4, 4]}, "for each layer"),
        ({"qwen2.attention.value_length": 32}, "different lengths"),
        ({"qwen2.rope.scaling.type": "longrope"}, "'longrope'"),
        ({**YARN, "qwen2.rope.scaling.yarn_ext_factor": 0.5}, "YaRN"),
    ],
)
def test_models_of_another_kind_are_refused(metadata: dict[str, Any], said: str) -> None:
    with pytest.raises(UnsupportedModel, match=said) as caught:
        config_of(metadata=metadata)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["blk.0.attn_output.bias", "blk.1.attn_q_norm.weight", "blk.0.ffn_gate_inp.weight", "blk.2.attn_q.weight"]
)
def test_tensors_the_decoder_has_no_place_for_are_refused(name: str) -> None:
    with pytest.raises(UnsupportedModel, match=name):
        config_of(tensors=[float_tensor(name, np.zeros(256))])


def test_rope_stretched_twice_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="both"):
        config_of(
            LLAMA,
            {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0},
            tensors=[float_tensor("rope_freqs.weight", [1.0] * 32)],
        )


def test_an_unknown_mixture_is_named_after_its_largest_type() -> None:
    assert config_of(replace(TINY, quant_type=QuantType.Q4_K)).quantization == "Q4_K"
