"""A model of Qwen2.5-7B's shapes and Q4_K_M's types with random weights, for timings without a download of 4.7 GB.

Shapes: https://huggingface.co/Qwen/Qwen2.5-7B-Instruct/blob/main/config.json. Types: llama.cpp's mixture Q4_K_M has
Q6_K for the head, and for V and the down projection in half of the layers. The tokenizer is the 0.5B file's.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.remote import ROOT
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.model.gguf import GGUFFile
from sevenb.model.store import Store
from tests.model.gguf_writer import metadata_value, random_tensor, string, tensor_entry, u32, u64

SYNTHETIC_7B = "synthetic-7b"  # its name on the command line

_ALIGNMENT = 32
_UNUSED = 5  # the tokenizer's type of tokens without a text
_SPREAD = 0.02  # deviation of weights
_SAMPLE_ROWS = 64  # random rows of a matrix; all others repeat them


@dataclass(frozen=True)
class Shape:
    """Sizes of a Qwen2.5 model whose output head is a matrix of its own."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    head_dim: int = 128


SEVEN_B = Shape(layers=28, hidden=3584, intermediate=18_944, heads=28, kv_heads=4, vocabulary=152_064)


def synthetic_7b(path: Path = ROOT / "results" / "models" / "synthetic-7b-q4_k_m.gguf") -> Path:
    """The file's path; it is written first if it is not there, within a minute."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".part")
        write_synthetic(whole, SEVEN_B, Store().ensure("qwen2.5-coder:0.5b"))
        whole.rename(path)
    return path


def write_synthetic(path: Path, shape: Shape, tokenizer: Path) -> None:
    """Write a model of random weights with the tokenizer of another GGUF file."""
    donor = GGUFFile.open(tokenizer).metadata
    metadata: dict[str, Any] = {key: value for key, value in donor.items() if key.startswith("tokenizer.")}
    known = list(metadata["tokenizer.ggml.tokens"])
    metadata |= {
        "tokenizer.ggml.tokens": known + [f"[UNUSED{index}]" for index in range(len(known), shape.vocabulary)],
        "tokenizer.ggml.token_type": np.pad(
            metadata["tokenizer.ggml.token_type"], (0, shape.vocabulary - len(known)), constant_values=_UNUSED
        ),
        "tokenizer.ggml.merges": list(metadata["tokenizer.ggml.merges"]),
        "general.architecture": "qwen2",
        "general.name": "Synthetic 7B of Qwen2.5's shapes",
        "general.file_type": 15,
        "general.quantization_version": 2,
        "qwen2.block_count": shape.layers,
        "qwen2.context_length": 32_768,
        "qwen2.embedding_length": shape.hidden,
        "qwen2.feed_forward_length": shape.intermediate,
        "qwen2.attention.head_count": shape.heads,
        "qwen2.attention.head_count_kv": shape.kv_heads,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 1e6,
    }
    _write(path, metadata, list(_tensors(shape)))


def _tensors(shape: Shape) -> Iterator[tuple[str, QuantType, tuple[int, ...]]]:
    """Name, type and shape of every tensor."""
    hidden, layers = shape.hidden, shape.layers
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    yield "token_embd.weight", QuantType.Q4_K, (shape.vocabulary, hidden)
    for layer in range(layers):
        # llama.cpp gives more bits to the first and the last eighth of the layers, and to every third between.
        eighth = layers // 8
        more = layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
        finer = QuantType.Q6_K if more else QuantType.Q4_K
        tensors = {
            "attn_norm.weight": (QuantType.F32, (hidden,)),
            "attn_q.weight": (QuantType.Q4_K, (queries, hidden)),
            "attn_q.bias": (QuantType.F32, (queries,)),
            "attn_k.weight": (QuantType.Q4_K, (keys, hidden)),
            "attn_k.bias": (QuantType.F32, (keys,)),
            "attn_v.weight": (finer, (keys, hidden)),
            "attn_v.bias": (QuantType.F32, (keys,)),
            "attn_output.weight": (QuantType.Q4_K, (hidden, queries)),
            "ffn_norm.weight": (QuantType.F32, (hidden,)),
            "ffn_gate.weight": (QuantType.Q4_K, (shape.intermediate, hidden)),
            "ffn_up.weight": (QuantType.Q4_K, (shape.intermediate, hidden)),
            "ffn_down.weight": (finer, (hidden, shape.intermediate)),
        }
        for name, (quant_type, sizes) in tensors.items():
            yield f"blk.{layer}.{name}", quant_type, sizes
    yield "output_norm.weight", QuantType.F32, (hidden,)
    yield "output.weight", QuantType.Q6_K, (shape.vocabulary, hidden)


def _write(path: Path, metadata: Mapping[str, Any], tensors: list[tuple[str, QuantType, tuple[int, ...]]]) -> None:
    """Header first, then one tensor after the other; of matrices only some rows are random."""
    header = b"GGUF" + u32(3) + u64(len(tensors)) + u64(len(metadata))
    header += b"".join(string(key) + metadata_value(value) for key, value in metadata.items())
    offset = 0
    for name, quant_type, shape in tensors:
        header += tensor_entry(RawTensor(name, quant_type, shape, np.empty(0, np.uint8)), offset)
        offset += _padded(_bytes(quant_type, shape))
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(header + bytes(-len(header) % _ALIGNMENT))
        for name, quant_type, shape in tensors:
            size = _bytes(quant_type, shape)
            if name.endswith("norm.weight"):
                data = np.ones(shape, np.float32).tobytes()
            else:
                sample = (min(shape[0], _SAMPLE_ROWS), *shape[1:]) if len(shape) > 1 else shape
                part = random_tensor(rng, quant_type, sample, _SPREAD).data.tobytes()
                data = (part * -(-size // len(part)))[:size]
            file.write(data + bytes(_padded(size) - size))


def _bytes(quant_type: QuantType, shape: tuple[int, ...]) -> int:
    return int(np.prod(shape)) // quant_type.block_size * quant_type.block_bytes


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
