"""Whatever the bytes are, a GGUF file is read, or refused as corrupt or unsupported; nothing else ever happens."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sevenb.backend.quant_types import QuantType
from sevenb.errors import CorruptModelFile, UnsupportedModel
from sevenb.model.config import ModelConfig
from sevenb.model.config_from_gguf import config_from_gguf
from sevenb.model.gguf_header import read_header
from sevenb.model.gguf_strings import StringArray
from tests.model.gguf_writer import encode, random_tensor, u32
from tests.model.tiny_gguf import TinyModel

MODEL = TinyModel(
    quant_type=QuantType.F32, layers=1, hidden=32, intermediate=64, heads=2, kv_heads=1, head_dim=16, vocabulary=8
)
METADATA = {key: value for key, value in MODEL.metadata().items() if not key.startswith("tokenizer.")} | {
    "tokenizer.ggml.tokens": [f"token {index}" for index in range(8)],
    "tokenizer.ggml.token_type": [1] * 8,
    "tokenizer.ggml.add_bos_token": False,
    "qwen2.rope.scaling.type": "yarn",
    "qwen2.rope.scaling.factor": 4.0,
}
FILE = encode(METADATA, MODEL.tensors())
HEADER_BYTES = len(FILE) - sum(-(-tensor.data.size // 32) * 32 for tensor in MODEL.tensors())


def load(content: bytes) -> ModelConfig:
    """All that opening a file does, and a look at everything it promised."""
    header = read_header(np.frombuffer(content, np.uint8), "fuzz.gguf")
    for value in header.metadata.values():
        if isinstance(value, StringArray):
            list(value)
    for tensor in header.tensors.values():
        assert tensor.data.size == np.prod(tensor.shape[:-1]) * tensor.quant_type.row_bytes(tensor.columns)
    return config_from_gguf(header.metadata, header.tensors, "fuzz.gguf")


def survives(content: bytes) -> bool:
    """True if the file is read, False if it is refused with a sentence; any other exception fails the test."""
    try:
        config = load(content)
    except (CorruptModelFile, UnsupportedModel) as error:
        return is_refusal(str(error))
    assert 0 < config.heads * config.head_dim <= 2**24
    assert 0 < config.rope.dim <= config.head_dim
    assert 0 < config.context_length <= 2**24
    assert np.isfinite([config.norm_eps, config.rope.base, config.rope.factor]).all()
    return True


def is_refusal(message: str) -> bool:
    assert message.startswith("fuzz.gguf ")
    assert message.isprintable()
    assert len(message) < 600
    return False


def test_the_file_that_is_broken_below_is_whole() -> None:
    assert survives(FILE)
    assert HEADER_BYTES < 2000


def test_every_truncation_is_refused() -> None:
    for end in [*range(HEADER_BYTES + 1), len(FILE) - 1]:
        assert not survives(FILE[:end]), end


@pytest.mark.parametrize("number", [2**32 - 1, 2**64 - 1])
def test_a_hostile_number_anywhere_neither_crashes_nor_allocates(number: int) -> None:
    tracemalloc.start()
    try:
        for offset in range(HEADER_BYTES):
            survives(FILE[:offset] + number.to_bytes(8, "little") + FILE[offset + 8 :])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


def test_random_damage_is_survived() -> None:
    rng = np.random.default_rng(2)
    outcomes = {survives(damaged(rng)) for _ in range(12_000)}
    assert outcomes == {True, False}  # some damage only changes a name or a weight


def damaged(rng: np.random.Generator) -> bytes:
    """The file after one to four random bytes, bits, cuts, insertions or repetitions in its header."""
    content = bytearray(FILE)
    for _ in range(rng.integers(1, 5)):
        start = int(rng.integers(4, HEADER_BYTES))
        end = start + int(rng.integers(1, 24))
        match int(rng.integers(6)):
            case 0:
                content[start] = int(rng.integers(256))
            case 1:
                content[start] ^= 1 << int(rng.integers(8))
            case 2:
                content[start:end] = rng.bytes(end - start)
            case 3:
                del content[start:end]
            case 4:
                content[start:start] = rng.bytes(end - start)
            case 5:
                content[start:start] = content[start:end]
    return bytes(content)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([2, 3]), st.integers(0, 3), st.integers(0, 3))
def test_noise_behind_a_good_start_is_survived(noise: bytes, version: int, tensors: int, metadata: int) -> None:
    survives(b"GGUF" + u32(version) + tensors.to_bytes(8, "little") + metadata.to_bytes(8, "little") + noise)


KEYS = [
    *METADATA,
    "general.alignment",
    "general.file_type",
    "general.type",
    *(
        f"qwen2.{key}"
        for key in (
            "attention.sliding_window",
            "expert_count",
            "logit_scale",
            "rope.dimension_count",
            "rope.scaling.attn_factor",
            "rope.scaling.original_context_length",
            "rope.scaling.yarn_beta_fast",
            "rope.scaling.yarn_ext_factor",
        )
    ),
]

HOSTILE_VALUES = st.one_of(
    st.integers(0, 2**32 - 1),
    st.integers(-(2**63), 2**63 - 1).map(np.int64),
    st.sampled_from([2**63, 2**64 - 1]).map(np.uint64),
    st.floats(width=32),
    st.floats().map(np.float64),
    st.booleans(),
    st.text(max_size=8),
    st.lists(st.integers(-9, 9), min_size=1, max_size=3),
    st.lists(st.text(max_size=4), max_size=3),
)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYS), HOSTILE_VALUES, min_size=1, max_size=3))
def test_hostile_metadata_are_survived(replacements: dict[str, Any]) -> None:
    survives(encode(METADATA | replacements, MODEL.tensors()))


FILE_TYPES = [quant_type for quant_type in QuantType if quant_type.in_files]


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.text(min_size=1, max_size=20), HOSTILE_VALUES, max_size=6),
    st.dictionaries(
        st.text(max_size=20),
        st.tuples(
            st.sampled_from([kind for kind in QuantType if kind.in_files]),
            st.lists(st.integers(1, 4), min_size=1, max_size=4),
        ),
        max_size=4,
    ),
    st.sampled_from([8, 32, 64]),
)
def test_what_is_written_is_read_back(
    metadata: dict[str, Any], tensors: dict[str, tuple[QuantType, list[int]]], alignment: int
) -> None:
    rng = np.random.default_rng(3)
    metadata |= {"general.alignment": alignment}
    written = [
        random_tensor(rng, quant_type, (*shape[:-1], shape[-1] * quant_type.block_size), name=name)
        for name, (quant_type, shape) in tensors.items()
    ]
    content = encode(metadata, written, alignment=alignment)

    header = read_header(np.frombuffer(content, np.uint8), "fuzz.gguf")

    assert list(header.metadata) == list(metadata)
    assert list(header.tensors) == list(tensors)
    for tensor in written:
        read = header.tensors[tensor.name]
        assert (read.quant_type, read.shape) == (tensor.quant_type, tensor.shape)
        np.testing.assert_array_equal(read.data, tensor.data)
