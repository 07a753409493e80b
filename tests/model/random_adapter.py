"""`RandomAdapter`: a LoRA adapter as a training might leave it, written as llama.cpp's GGUF and as PEFT's folder."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenb.backend.reference.dequantize import dequantize
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig
from tests.model.gguf_writer import encode, float_tensor

Matrix = npt.NDArray[np.float32]

PEFT_NAMES = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class RandomAdapter:
    """``pairs`` are A [rank, columns] and B [rows, rank] by ``blk.N.PART``, the rows of B in GGUF's order."""

    config: ModelConfig
    pairs: dict[str, tuple[Matrix, Matrix]]
    alpha: float

    @classmethod
    def of(
        cls,
        base: Checkpoint,
        *,
        rank: int = 8,
        alpha: float = 16.0,
        strength: float = 0.3,
        parts: tuple[str, ...] = tuple(PEFT_NAMES),
        seed: int = 0,
    ) -> "RandomAdapter":
        """What it adds to a projection is about ``strength`` times as large as what the matrix itself gives."""
        rng = np.random.default_rng(seed)
        pairs = {}
        for layer in range(base.config.layers):
            for part in parts:
                matrix = base.tensors[f"blk.{layer}.{part}.weight"]
                a = rng.normal(0, matrix.columns**-0.5, (rank, matrix.columns))
                size = np.sqrt(np.mean(np.square(dequantize(matrix)))) * matrix.columns**0.5
                b = rng.normal(0, strength * size * rank**0.5 / alpha, (matrix.rows, rank))
                pairs[f"blk.{layer}.{part}"] = a.astype(np.float32), b.astype(np.float32)
        return cls(base.config, pairs, alpha)

    def write_gguf(self, path: Path, **metadata: Any) -> Path:
        """The file as ``convert_lora_to_gguf`` writes it."""
        tensors = []
        for name, (a, b) in self.pairs.items():
            tensors += [float_tensor(f"{name}.weight.lora_a", a), float_tensor(f"{name}.weight.lora_b", b)]
        header = {
            "general.architecture": self.config.architecture,
            "general.type": "adapter",
            "adapter.type": "lora",
            "adapter.lora.alpha": self.alpha,
        }
        path.write_bytes(encode(header | metadata, tensors))
        return path

    def write_peft(self, folder: Path, **config: Any) -> Path:
        """The folder as ``PeftModel.save_pretrained`` writes it."""
        tensors = {}
        for name, (a, b) in self.pairs.items():
            _, layer, part = name.split(".")
            module = f"base_model.model.model.layers.{layer}.{PEFT_NAMES[part]}"
            tensors[f"{module}.lora_A.weight"] = a
            tensors[f"{module}.lora_B.weight"] = self._as_in_peft(part, b)
        folder.mkdir()
        rank = next(iter(self.pairs.values()))[0].shape[0]
        fields = {"peft_type": "LORA", "r": rank, "lora_alpha": self.alpha, "bias": "none"}
        (folder / "adapter_config.json").write_text(json.dumps(fields | config))
        (folder / "adapter_model.safetensors").write_bytes(safetensors(tensors))
        return folder

    def merged_into(self, base: Checkpoint) -> Checkpoint:
        """The same model with the adapter in its weights, as float32."""
        tensors = dict(base.tensors)
        for name, (a, b) in self.pairs.items():
            key = f"{name}.weight"
            tensors[key] = float_tensor(key, dequantize(tensors[key]) + self.alpha / len(a) * (b @ a))
        merged = object.__new__(Checkpoint)
        merged.__dict__.update(base.__dict__, tensors=tensors)
        return merged

    def scaled(self, factor: float) -> "RandomAdapter":
        """With ``factor`` times the alpha."""
        return replace(self, alpha=factor * self.alpha)

    def _as_in_peft(self, part: str, b: Matrix) -> Matrix:
        """With channels that turn together half a head apart, as in the models of Hugging Face."""
        heads = {"attn_q": self.config.heads, "attn_k": self.config.kv_heads}.get(part)
        if heads is None or self.config.architecture != "llama":
            return b
        return b.reshape(heads, -1, 2, b.shape[1]).swapaxes(1, 2).reshape(b.shape)


def safetensors(tensors: dict[str, Matrix], **entries: Any) -> bytes:
    """A whole safetensors file of float32 matrices; ``entries`` replace those of the header."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    body = b""
    for name, matrix in tensors.items():
        content = np.ascontiguousarray(matrix).tobytes()
        offsets = [len(body), len(body) + len(content)]
        header[name] = {"dtype": "F32", "shape": list(matrix.shape), "data_offsets": offsets}
        body += content
    text = json.dumps(header | entries).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + body
