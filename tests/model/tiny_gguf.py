"""`TinyModel`: a whole model in a GGUF file of a few hundred kilobytes, for tests of everything above the file."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sevenb.backend.quant_types import QuantType, RawTensor
from tests.model.gguf_writer import encode, float_tensor, random_tensor

CHAT_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
_MERGES = ("t h", "th e", "Ġ the")


@dataclass(frozen=True)
class TinyModel:
    """A whole model of a few hundred kilobytes with random weights and a byte-level tokenizer, ready to be written.

    The sizes suit every quantisation type (rows are multiples of 256); F32 models may be smaller.
    """

    architecture: str = "qwen2"
    quant_type: QuantType = QuantType.Q8_0
    layers: int = 2
    hidden: int = 256
    intermediate: int = 512
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    vocabulary: int = 288
    context: int = 512
    tied: bool = False
    seed: int = 0

    def write(self, path: Path, **extra_metadata: Any) -> Path:
        """Write the GGUF file and return ``path``."""
        path.write_bytes(encode(self.metadata() | extra_metadata, self.tensors()))
        return path

    def metadata(self) -> dict[str, Any]:
        architecture = {
            "context_length": self.context,
            "embedding_length": self.hidden,
            "block_count": self.layers,
            "feed_forward_length": self.intermediate,
            "attention.head_count": self.heads,
            "attention.head_count_kv": self.kv_heads,
            "attention.key_length": self.head_dim,
            "attention.value_length": self.head_dim,
            "attention.layer_norm_rms_epsilon": 1e-6,
            "rope.freq_base": 1e6,
        }
        tokens = self.tokens()
        first_special = tokens.index(SPECIAL_TOKENS[0])
        return {
            "general.architecture": self.architecture,
            "general.name": f"Tiny {self.architecture}",
            **{f"{self.architecture}.{key}": value for key, value in architecture.items()},
            "tokenizer.ggml.model": "gpt2",
            "tokenizer.ggml.pre": "qwen2",
            "tokenizer.ggml.tokens": tokens,
            "tokenizer.ggml.token_type": [1] * first_special + [3] * (len(tokens) - first_special),
            "tokenizer.ggml.merges": list(_MERGES),
            "tokenizer.ggml.bos_token_id": first_special,
            "tokenizer.ggml.eos_token_id": first_special + 2,
            "tokenizer.ggml.add_bos_token": False,
            "tokenizer.chat_template": CHAT_TEMPLATE,
        }

    def tokens(self) -> list[str]:
        """256 byte tokens, the merged ones, the special ones, and padding up to ``vocabulary``."""
        tokens = [*byte_alphabet(), *(merge.replace(" ", "") for merge in _MERGES), *SPECIAL_TOKENS]
        return tokens + [f"[PAD{index}]" for index in range(len(tokens), self.vocabulary)]

    def tensors(self) -> list[RawTensor]:
        rng = np.random.default_rng(self.seed)

        def matrix(name: str, rows: int, columns: int) -> RawTensor:
            return random_tensor(rng, self.quant_type, (rows, columns), columns**-0.5, name)

        def vector(name: str, length: int, mean: float = 0.0) -> RawTensor:
            return float_tensor(name, rng.normal(mean, 0.1, length))

        query, key = self.heads * self.head_dim, self.kv_heads * self.head_dim
        tensors = [matrix("token_embd.weight", self.vocabulary, self.hidden)]
        for layer in range(self.layers):
            block = [
                vector("attn_norm.weight", self.hidden, 1.0),
                matrix("attn_q.weight", query, self.hidden),
                matrix("attn_k.weight", key, self.hidden),
                matrix("attn_v.weight", key, self.hidden),
                matrix("attn_output.weight", self.hidden, query),
                vector("ffn_norm.weight", self.hidden, 1.0),
                matrix("ffn_gate.weight", self.intermediate, self.hidden),
                matrix("ffn_up.weight", self.intermediate, self.hidden),
                matrix("ffn_down.weight", self.hidden, self.intermediate),
            ]
            if self.architecture == "qwen2":
                block += [vector("attn_q.bias", query), vector("attn_k.bias", key), vector("attn_v.bias", key)]
            if self.architecture == "qwen3":
                block += [vector(f"attn_{kind}_norm.weight", self.head_dim, 1.5) for kind in "qk"]
            tensors += [replace(tensor, name=f"blk.{layer}.{tensor.name}") for tensor in block]
        tensors.append(vector("output_norm.weight", self.hidden, 1.0))
        if not self.tied:
            tensors.append(matrix("output.weight", self.vocabulary, self.hidden))
        return tensors


def byte_alphabet() -> list[str]:
    """The visible character that stands for each of the 256 bytes in GPT-2's vocabulary."""
    visible = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = [byte for byte in range(256) if byte not in visible]
    return [chr(byte) if byte in visible else chr(256 + hidden.index(byte)) for byte in range(256)]
