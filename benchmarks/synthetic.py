"""A model of Qwen2.5-7B's shapes and Q4_K_M's types with random weights, for timings without a download of 4.7 GB.

Shapes: https://huggingface.co/Qwen/Qwen2.5-7B-Instruct/blob/main/config.json. Types: llama.cpp's mixture Q4_K_M has
Q6_K for the head, and for V and the down projection in half of the layers. The tokenizer is the 0.5B file's.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.remote import ROOT
from sevenb.backend.quant_types import QuantType, RawTensor
from sevenb.model.gguf import GGUFFile
from sevenb.model.store import Store
from tests.model.gguf_writer import metadata_value, random_tensor, string, tensor_entry, u32, u64

SYNTHETIC_7B = "synthetic-7b"
LAYERS, HIDDEN, INTERMEDIATE, HEADS, KV_HEADS, HEAD_DIM, VOCABULARY = 28, 3584, 18_944, 28, 4, 128, 152_064
_ALIGNMENT = 32
_UNUSED = 5  # the tokenizer's type of tokens without a text
_SPREAD = 0.02  # deviation of weights
_SAMPLE_ROWS = 64  # random rows of a matrix; all others repeat them


def synthetic_7b(path: Path = ROOT / "results" / "models" / "synthetic-7b-q4_k_m.gguf") -> Path:
    """The file's path; it is written first if it is not there, within a minute."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        whole = path.with_suffix(".part")
        write_synthetic(whole, Store().ensure("qwen2.5-coder:0.5b"), LAYERS)
        whole.rename(path)
    return path


def write_synthetic(path: Path, tokenizer: Path, layers: int) -> None:
    """Write a model of ``layers`` layers with the tokenizer of another GGUF file."""
    donor = GGUFFile.open(tokenizer).metadata
    metadata: dict[str, Any] = {key: value for key, value in donor.items() if key.startswith("tokenizer.")}
    known = list(metadata["tokenizer.ggml.tokens"])
    metadata |= {
        "tokenizer.ggml.tokens": known + [f"[UNUSED{index}]" for index in range(len(known), VOCABULARY)],
        "tokenizer.ggml.token_type": np.pad(
            metadata["tokenizer.ggml.token_type"], (0, VOCABULARY - len(known)), constant_values=_UNUSED
        ),
        "tokenizer.ggml.merges": list(metadata["tokenizer.ggml.merges"]),
        "general.architecture": "qwen2",
        "general.name": "Synthetic 7B of Qwen2.5's shapes",
        "general.file_type": 15,
        "general.quantization_version": 2,
        "qwen2.block_count": layers,
        "qwen2.context_length": 32_768,
        "qwen2.embedding_length": HIDDEN,
        "qwen2.feed_forward_length": INTERMEDIATE,
        "qwen2.attention.head_count": HEADS,
        "qwen2.attention.head_count_kv": KV_HEADS,
        "qwen2.attention.layer_norm_rms_epsilon": 1e-6,
        "qwen2.rope.freq_base": 1e6,
    }
    _write(path, metadata, list(_tensors(layers)))


def _tensors(layers: int) -> Iterator[tuple[str, QuantType, tuple[int, ...]]]:
    """Name, type and shape of every tensor."""
    yield "token_embd.weight", QuantType.Q4_K, (VOCABULARY, HIDDEN)
    for layer in range(layers):
        # llama.cpp gives more bits to the first and the last eighth of the layers, and to every third between.
        eighth = layers // 8
        more = layer < eighth or layer >= 7 * layers // 8 or (layer - eighth) % 3 == 2
        finer = QuantType.Q6_K if more else QuantType.Q4_K
        shapes = {
            "attn_norm.weight": (QuantType.F32, (HIDDEN,)),
            "attn_q.weight": (QuantType.Q4_K, (HEADS * HEAD_DIM, HIDDEN)),
            "attn_q.bias": (QuantType.F32, (HEADS * HEAD_DIM,)),
            "attn_k.weight": (QuantType.Q4_K, (KV_HEADS * HEAD_DIM, HIDDEN)),
            "attn_k.bias": (QuantType.F32, (KV_HEADS * HEAD_DIM,)),
            "attn_v.weight": (finer, (KV_HEADS * HEAD_DIM, HIDDEN)),
            "attn_v.bias": (QuantType.F32, (KV_HEADS * HEAD_DIM,)),
            "attn_output.weight": (QuantType.Q4_K, (HIDDEN, HEADS * HEAD_DIM)),
            "ffn_norm.weight": (QuantType.F32, (HIDDEN,)),
            "ffn_gate.weight": (QuantType.Q4_K, (INTERMEDIATE, HIDDEN)),
            "ffn_up.weight": (QuantType.Q4_K, (INTERMEDIATE, HIDDEN)),
            "ffn_down.weight": (finer, (HIDDEN, INTERMEDIATE)),
        }
        for name, (quant_type, shape) in shapes.items():
            yield f"blk.{layer}.{name}", quant_type, shape
    yield "output_norm.weight", QuantType.F32, (HIDDEN,)
    yield "output.weight", QuantType.Q6_K, (VOCABULARY, HIDDEN)


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
