"""A whole model folder of some kilobytes: two layers of random weights, a tokenizer of bytes, all in its place."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.model.hf.folders import write_safetensors

HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, LAYERS = 32, 64, 4, 2, 8, 2
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
VOCABULARY = 256 + len(SPECIAL) + 5  # with places that no token has


def config(**changes: Any) -> dict[str, Any]:
    """``config.json`` of a Qwen2."""
    return {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_act": "silu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-6,
        "rope_theta": 10000.0,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "vocab_size": VOCABULARY,
        "eos_token_id": 258,
    } | changes


def tensors(**changes: npt.NDArray[Any] | None) -> dict[str, npt.NDArray[Any]]:
    """Random weights by the hub's names; a changed one that is None is left out."""
    rng = np.random.default_rng(7)
    query, key = HEADS * HEAD_DIM, KV_HEADS * HEAD_DIM
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (VOCABULARY, HIDDEN),
    }
    for layer in range(LAYERS):
        prefix = f"model.layers.{layer}."
        shapes |= {
            prefix + "input_layernorm.weight": (HIDDEN,),
            prefix + "post_attention_layernorm.weight": (HIDDEN,),
            prefix + "self_attn.q_proj.weight": (query, HIDDEN),
            prefix + "self_attn.q_proj.bias": (query,),
            prefix + "self_attn.k_proj.weight": (key, HIDDEN),
            prefix + "self_attn.k_proj.bias": (key,),
            prefix + "self_attn.v_proj.weight": (key, HIDDEN),
            prefix + "self_attn.v_proj.bias": (key,),
            prefix + "self_attn.o_proj.weight": (HIDDEN, query),
            prefix + "mlp.gate_proj.weight": (INNER, HIDDEN),
            prefix + "mlp.up_proj.weight": (INNER, HIDDEN),
            prefix + "mlp.down_proj.weight": (HIDDEN, INNER),
        }
    weights: dict[str, npt.NDArray[Any] | None] = {
        name: rng.normal(0.0, 0.2, shape).astype(np.float32) for name, shape in shapes.items()
    }
    return {name: tensor for name, tensor in (weights | changes).items() if tensor is not None}


def tokenizer(**changes: Any) -> dict[str, Any]:
    """``tokenizer.json``: a token for each byte, no merges."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    stand_ins = {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": True}
    return {
        "version": "1.0",
        "added_tokens": [{"id": 256 + i, "content": token, "special": True} for i, token in enumerate(SPECIAL)],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": None,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": {stand_ins[byte]: byte for byte in range(256)}, "merges": []},
    } | changes


TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
)


def write_tiny_folder(
    folder: Path,
    *,
    config_json: object = None,
    weights: dict[str, npt.NDArray[Any]] | None = None,
    tokenizer_json: object = None,
    **documents: object,
) -> Path:
    """A folder whose files are whole but for what is given; ``documents`` are further ones, their dots as ``__``."""
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder / "model.safetensors", tensors() if weights is None else weights)
    files = {
        "config.json": config() if config_json is None else config_json,
        "tokenizer.json": tokenizer() if tokenizer_json is None else tokenizer_json,
        "tokenizer_config.json": {"eos_token": "<|im_end|>", "chat_template": TEMPLATE},
        **{name.replace("__", "."): document for name, document in documents.items()},
    }
    for name, document in files.items():
        (folder / name).write_text(document if isinstance(document, str) else json.dumps(document))
    return folder
