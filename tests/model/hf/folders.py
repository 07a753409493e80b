"""Hugging Face folders made of a real GGUF model: plain numbers, AWQ and GPTQ, in the files that the hub has."""

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sevenb.backend.reference.dequantize import dequantize
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.gguf import GGUFFile
from sevenb.model.tokenizer.vocabulary import TokenType, numbers_of, strings_of
from tests.model.hf.quantiser import Arrays, FloatArray, Rounding, rounded
from tests.model.random_adapter import PEFT_NAMES

ROUNDINGS = {
    "awq": Rounding("awq"),
    "awq-sym": Rounding("awq", symmetric=True),
    "gptq": Rounding("gptq", symmetric=True),
    "gptq-asym": Rounding("gptq"),
    "gptq-v2": Rounding("gptq", checkpoint_format="gptq_v2"),
    "gptq-actorder": Rounding("gptq", act_order=True),
    "gptq-int8": Rounding("gptq", bits=8, symmetric=True),
}
_TORCH_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
_MODULES = {
    **PEFT_NAMES,
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_DTYPES = {"float32": "F32", "float16": "F16", "int32": "I32", "uint16": "BF16"}  # NumPy has no bfloat16


def make_folder(
    folder: Path, gguf: Path, kind: str, *, layers: int | None = None, group_size: int | None = None, shards: int = 1
) -> Path:
    """The first ``layers`` of a model as the folder of ``kind``: ``f32``, ``f16``, ``bf16`` or one of `ROUNDINGS`."""
    return FolderMaker(gguf, kind, layers, group_size).write(folder, shards=shards)


class FolderMaker:
    """What goes into a folder, file by file, and what its weights mean."""

    def __init__(self, gguf: Path, kind: str, layers: int | None = None, group_size: int | None = None) -> None:
        """``group_size`` is 128, or 64 where that does not divide the hidden size."""
        self.file = GGUFFile.open(gguf)
        with Checkpoint.open(gguf) as checkpoint:
            self.model = checkpoint.config
        self.layers = layers or self.model.layers
        self.number = kind if kind in _TORCH_DTYPES else "f16"
        self.rounding: Rounding | None = None
        if kind in ROUNDINGS:
            size = group_size or (128 if self.model.hidden_size % 128 == 0 else 64)
            self.rounding = Rounding(**{**vars(ROUNDINGS[kind]), "group_size": size})

    # -- weights ---------------------------------------------------------------------------------------

    def weights(self, layers: Iterable[int] | None = None) -> Iterator[tuple[str, FloatArray]]:
        """Every tensor (of some layers only) under GGUF's name, as float32, exactly as the folder holds it."""
        for name, values, arrays in self._tensors(layers):
            if arrays is not None:
                yield name, arrays[1]
            else:
                yield name, _back(_as_number(values, self.number))

    def stored(self) -> Iterator[tuple[str, npt.NDArray[Any]]]:
        """Every tensor of the safetensors files."""
        for name, values, arrays in self._tensors():
            module = hub_name(name).removesuffix(".weight")
            if arrays is not None:
                yield from ((f"{module}.{part}", array) for part, array in arrays[0].items())
            else:
                yield hub_name(name), _as_number(values, self.number)

    def _tensors(
        self, layers: Iterable[int] | None = None
    ) -> Iterator[tuple[str, FloatArray, tuple[Arrays, FloatArray] | None]]:
        """Name, plain values, and where it is quantised what is stored and what that means."""
        wanted = set(range(self.layers) if layers is None else layers)
        for name, tensor in self.file.tensors.items():
            if name == "output.weight" or (name.startswith("blk.") and int(name.split(".")[1]) not in wanted):
                continue
            # Tied, as in the original; the head has the finer rounding.
            tied = name == "token_embd.weight" and "output.weight" in self.file.tensors
            values = self._turned(name, dequantize(self.file.tensors["output.weight"] if tied else tensor))
            if self.rounding is not None and len(values.shape) == 2 and name.startswith("blk."):
                matrix = rounded(values, self.rounding)
                yield name, values, (matrix.arrays(), matrix.values)
            else:
                yield name, values, None

    def _turned(self, name: str, values: FloatArray) -> FloatArray:
        """Channels that turn together half a head apart, where the GGUF file has them side by side."""
        heads = {"attn_q": self.model.heads, "attn_k": self.model.kv_heads}.get(name.split(".")[-2])
        if heads is None or not self.model.rope.interleaved:
            return values
        return np.ascontiguousarray(values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2)).reshape(
            values.shape
        )

    # -- files -----------------------------------------------------------------------------------------

    def write(self, folder: Path, *, shards: int = 1) -> Path:
        """Write all files of the folder."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = dict(self.stored())
        if shards == 1:
            write_safetensors(folder / "model.safetensors", tensors)
        else:
            self._write_shards(folder, tensors, shards)
        documents = {
            "config.json": self.config,
            "generation_config.json": self.generation_config,
            "tokenizer.json": self.tokenizer,
            "tokenizer_config.json": self.tokenizer_config,
        }
        for name, document in documents.items():
            (folder / name).write_text(json.dumps(document, ensure_ascii=False, indent=2), encoding="utf-8")
        return folder

    def _write_shards(self, folder: Path, tensors: Mapping[str, npt.NDArray[Any]], shards: int) -> None:
        names = list(tensors)
        weight_map: dict[str, str] = {}
        for shard in range(shards):
            part = names[shard * len(names) // shards : (shard + 1) * len(names) // shards]
            file = f"model-{shard + 1:05}-of-{shards:05}.safetensors"
            write_safetensors(folder / file, {name: tensors[name] for name in part})
            weight_map |= dict.fromkeys(part, file)
        index = {"metadata": {"total_size": sum(t.nbytes for t in tensors.values())}, "weight_map": weight_map}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))

    @property
    def config(self) -> dict[str, Any]:
        """``config.json``."""
        model = self.model
        is_llama = model.architecture == "llama"
        config = {
            "architectures": ["LlamaForCausalLM" if is_llama else "Qwen2ForCausalLM"],
            "attention_dropout": 0.0,
            "bos_token_id": self.file.metadata["tokenizer.ggml.bos_token_id"],
            "eos_token_id": self.file.metadata["tokenizer.ggml.eos_token_id"],
            "hidden_act": "silu",
            "hidden_size": model.hidden_size,
            "initializer_range": 0.02,
            "intermediate_size": model.intermediate_size,
            "max_position_embeddings": model.context_length,
            "model_type": model.architecture,
            "num_attention_heads": model.heads,
            "num_hidden_layers": self.layers,
            "num_key_value_heads": model.kv_heads,
            "rms_norm_eps": float(f"{model.norm_eps:.3g}"),
            "rope_theta": model.rope.base,
            "tie_word_embeddings": True,
            "torch_dtype": _TORCH_DTYPES[self.number],
            "transformers_version": "4.43.1",
            "use_cache": True,
            "vocab_size": model.vocab_size,
        }
        if is_llama:
            config |= {"attention_bias": False, "mlp_bias": False, "pretraining_tp": 1, "rope_scaling": None}
        else:
            config |= {"max_window_layers": 21, "sliding_window": 32768, "use_sliding_window": False}
        if self.rounding is not None:
            config["quantization_config"] = self.rounding.config
        return config

    @property
    def generation_config(self) -> dict[str, Any]:
        """``generation_config.json`` as Qwen2.5's instruct models have it."""
        bos, eos = self.config["bos_token_id"], self.config["eos_token_id"]
        return {
            "bos_token_id": bos,
            "do_sample": True,
            "eos_token_id": [eos, bos] if self.model.architecture == "qwen2" else eos,
            "pad_token_id": self.file.metadata["tokenizer.ggml.padding_token_id"],
            "repetition_penalty": 1.1,
            "temperature": 0.7,
            "top_k": 20,
            "top_p": 0.8,
            "transformers_version": "4.43.1",
        }

    @cached_property
    def _tokens(self) -> list[tuple[str, int]]:
        """Spelling and type of each token; the places that fill the table up are left out, as in the original."""
        tokens = strings_of(self.file.metadata, "tokenizer.ggml.tokens")
        types = [int(kind) for kind in numbers_of(self.file.metadata, "tokenizer.ggml.token_type")]
        return [(token, kind) for token, kind in zip(tokens, types, strict=True) if kind != TokenType.UNUSED]

    @property
    def _added_tokens(self) -> dict[int, dict[str, Any]]:
        added = (TokenType.CONTROL, TokenType.USER_DEFINED, TokenType.UNKNOWN)
        return {
            token_id: {
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": kind != TokenType.USER_DEFINED,
            }
            for token_id, (token, kind) in enumerate(self._tokens)
            if kind in added
        }

    @property
    def tokenizer(self) -> dict[str, Any]:
        """``tokenizer.json``."""
        is_qwen = self.model.architecture == "qwen2"
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": not is_qwen}
        split = {"type": "Split", "pattern": {"Regex": _QWEN_SPLIT}, "behavior": "Isolated", "invert": False}
        first = split if is_qwen else {"type": "Digits", "individual_digits": True}
        # Qwen's model knows ordinary tokens only, SmolLM2's all of them.
        vocab = {
            token: token_id
            for token_id, (token, kind) in enumerate(self._tokens)
            if kind == TokenType.NORMAL or not is_qwen
        }
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": [{"id": token_id} | entry for token_id, entry in self._added_tokens.items()],
            "normalizer": {"type": "NFC"} if is_qwen else None,
            "pre_tokenizer": {"type": "Sequence", "pretokenizers": [first, byte_level | {"use_regex": not is_qwen}]},
            "post_processor": byte_level | {"use_regex": False} if is_qwen else None,
            "decoder": byte_level | {"use_regex": not is_qwen},
            "model": {
                "type": "BPE",
                "dropout": None,
                "unk_token": None,
                "continuing_subword_prefix": "" if is_qwen else None,
                "end_of_word_suffix": "" if is_qwen else None,
                "fuse_unk": False,
                "byte_fallback": False,
                "vocab": vocab,
                "merges": strings_of(self.file.metadata, "tokenizer.ggml.merges"),
            },
        }

    @property
    def tokenizer_config(self) -> dict[str, Any]:
        """``tokenizer_config.json``."""
        is_qwen = self.model.architecture == "qwen2"

        def spelled(key: str) -> str:
            token_id: int = self.config[key]
            return self._tokens[token_id][0]

        return {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": {str(token_id): entry for token_id, entry in self._added_tokens.items()},
            "additional_special_tokens": [e["content"] for e in self._added_tokens.values() if e["special"]],
            "bos_token": None if is_qwen else spelled("bos_token_id"),
            "chat_template": self.file.metadata["tokenizer.chat_template"],
            "clean_up_tokenization_spaces": False,
            "eos_token": spelled("eos_token_id"),
            "errors": "replace",
            "model_max_length": self.model.context_length,
            "pad_token": self._tokens[self.generation_config["pad_token_id"]][0],
            "tokenizer_class": "Qwen2Tokenizer" if is_qwen else "GPT2Tokenizer",
            "unk_token": None if is_qwen else self._tokens[0][0],
        }


def hub_name(name: str) -> str:
    """The hub's name of a tensor that GGUF calls ``name``."""
    if not name.startswith("blk."):
        return {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{_MODULES[part]}.{kind}"


def write_safetensors(path: Path, tensors: Mapping[str, npt.NDArray[Any]]) -> None:
    """One safetensors file; uint16 stands for bfloat16."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, array in tensors.items():
        offsets = [offset, offset + array.nbytes]
        header[name] = {"dtype": _DTYPES[array.dtype.name], "shape": list(array.shape), "data_offsets": offsets}
        offset += array.nbytes
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(len(encoded).to_bytes(8, "little") + encoded)
        for array in tensors.values():
            file.write(np.ascontiguousarray(array).data)


def _as_number(values: FloatArray, number: str) -> npt.NDArray[Any]:
    if number == "bf16":
        bits = values.view(np.uint32)
        return ((bits + (0x7FFF + (bits >> 16 & 1))) >> 16).astype(np.uint16)
    return values.astype(np.float16 if number == "f16" else np.float32)


def _back(numbers: npt.NDArray[Any]) -> FloatArray:
    if numbers.dtype == np.uint16:
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32)
