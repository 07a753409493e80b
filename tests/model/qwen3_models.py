"""Models of the family qwen3 with random weights: one of Qwen3-0.6B's shape, one that has Qwen's own words."""

from pathlib import Path
from typing import Any

from sevenb.backend.quant_types import QuantType
from sevenb.model.gguf import GGUFFile
from tests.model.tiny_gguf import TinyModel

# All of Qwen3-0.6B but its 28 layers and its 151,936 tokens.
QWEN3_06B = TinyModel(
    "qwen3",
    QuantType.Q8_0,
    layers=2,
    hidden=1024,
    intermediate=3072,
    heads=16,
    kv_heads=8,
    head_dim=128,
    vocabulary=512,
    tied=True,
)


def speaking_qwen3(path: Path, donor: Path, **metadata: Any) -> Path:
    """Write a tiny model with the tokenizer of another GGUF file and return its path."""
    words = {key: value for key, value in GGUFFile.open(donor).metadata.items() if key.startswith("tokenizer.")}
    tokens = list(words["tokenizer.ggml.tokens"])
    words |= {"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.merges": list(words["tokenizer.ggml.merges"])}
    model = TinyModel(
        "qwen3", hidden=64, intermediate=64, heads=2, kv_heads=1, head_dim=32, vocabulary=len(tokens), tied=True
    )
    return model.write(path, **words, **metadata)
