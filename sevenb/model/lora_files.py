"""LoRA adapters as they lie in files: llama.cpp's GGUF (``convert_lora_to_gguf``) and the folder that PEFT saves."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from sevenb.backend.quant_types import RawTensor
from sevenb.errors import CorruptModelFile, ModelNotFound, UnsupportedModel
from sevenb.model.checkpoint import Checkpoint
from sevenb.model.config import ModelConfig
from sevenb.model.gguf import GGUFFile
from sevenb.model.gguf_header import corrupt, quoted
from sevenb.model.hf.names import LAYER_MATRICES
from sevenb.model.safetensors import SafetensorsFile

_LARGEST_CONFIG = 1 << 20  # bytes
_PEFT_TENSOR = re.compile(r"(?:base_model\.model\.)?(?P<module>.+)\.lora_(?P<side>[AB])(?:\.[^.]+)?\.weight")
_PEFT_MODULE = re.compile(r"(?:.+\.)?layers\.(?P<layer>\d+)\.(?P<part>(?:self_attn|mlp)\.\w+)")
# Beginnings that take something out of the model's own weights, which an adapter alone then does not tell.
_CHANGED_BASE = ("pissa", "olora", "corda", "loftq")


@dataclass(frozen=True)
class LowRankTensors:
    """What an adapter adds to a matrix: ``scale * expand @ shrink``."""

    shrink: RawTensor  # LoRA's A, [rank, columns of the matrix]
    expand: RawTensor  # LoRA's B, [rows of the matrix, rank]
    scale: float


def read_adapter(path: Path, base: Checkpoint) -> dict[str, LowRankTensors]:
    """The pairs of an adapter for ``base`` by the GGUF name of their matrix, as in ``blk.0.attn_q``.

    Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`. That they fit is not checked.
    """
    if path.is_dir():
        return _read_peft(path, base.config)
    if path.suffix == ".safetensors" and path.exists():
        return _read_peft(path.parent, base.config)
    return _read_gguf(path, base)


# -- GGUF ----------------------------------------------------------------------------------------------


def _read_gguf(path: Path, base: Checkpoint) -> dict[str, LowRankTensors]:
    file = GGUFFile.open(path)
    if file.metadata.get("general.type") != "adapter":
        raise UnsupportedModel(f"{path.name} is a model, not an adapter; name the file of a LoRA adapter.")
    if file.metadata.get("adapter.type") != "lora" or "adapter.alora.invocation_tokens" in file.metadata:
        raise UnsupportedModel(f"{path.name} is an adapter of another kind; sevenb applies plain LoRA only.")
    architecture = file.metadata.get("general.architecture")
    if architecture != base.config.architecture:
        raise UnsupportedModel(
            f"The adapter {path.name} is for the architecture {architecture!r:.40}, and {base.name} is "
            f"{base.config.architecture!r}; choose the model that it was trained for."
        )
    alpha = file.metadata.get("adapter.lora.alpha", 0.0)
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        corrupt(path.name, f"adapter.lora.alpha is {alpha!r:.40}")
    sides: dict[str, dict[str, RawTensor]] = {".weight.lora_a": {}, ".weight.lora_b": {}}
    for name, tensor in file.tensors.items():
        end = name[-len(".weight.lora_a") :]
        if end not in sides:
            raise UnsupportedModel(
                f"The adapter {path.name} replaces {quoted(name)}, and sevenb applies low-rank pairs only; train it "
                "without."
            )
        sides[end][name.removesuffix(end)] = tensor
    return {
        # An alpha of zero means none, as in llama.cpp.
        name: LowRankTensors(shrink, expand, alpha / shrink.shape[0] if alpha else 1.0)
        for name, (shrink, expand) in _paired(path.name, *sides.values()).items()
    }


# -- PEFT ----------------------------------------------------------------------------------------------


def _read_peft(folder: Path, model: ModelConfig) -> dict[str, LowRankTensors]:
    config = _PeftConfig.open(folder / "adapter_config.json")
    weights = folder / "adapter_model.safetensors"
    if not weights.exists() and (folder / "adapter_model.bin").exists():
        raise UnsupportedModel(
            f"{folder.name} holds its weights in adapter_model.bin, which may run code when it is read; save them as "
            "safetensors."
        )
    sides: dict[str, dict[str, RawTensor]] = {"A": {}, "B": {}}
    for name, tensor in SafetensorsFile.open(weights).tensors.items():
        parts = _PEFT_TENSOR.fullmatch(name)
        if parts is None:
            raise UnsupportedModel(
                f"The adapter {folder.name} holds {quoted(name)}, and sevenb applies low-rank pairs only; train it "
                "without DoRA, biases, embeddings and modules_to_save."
            )
        sides[parts["side"]][parts["module"]] = tensor
    pairs: dict[str, LowRankTensors] = {}
    for module, (shrink, expand) in _paired(folder.name, *sides.values()).items():
        name, scale = _gguf_name(module), config.scale(module, shrink)
        pairs[name] = LowRankTensors(shrink, _as_in_gguf(name, expand, model), scale)
    return pairs


@dataclass(frozen=True)
class _PeftConfig:
    """What ``adapter_config.json`` says of the numbers."""

    source: str
    alpha: float
    rank_stabilised: bool
    alpha_pattern: Mapping[str, float]

    @classmethod
    def open(cls, path: Path) -> "_PeftConfig":
        source = path.parent.name
        try:
            with path.open("rb") as file:
                fields = json.loads(file.read(_LARGEST_CONFIG))
        except FileNotFoundError:
            raise ModelNotFound(
                f"There is no {path.name} in {path.parent}; name a folder that PEFT saved, or a .gguf file."
            ) from None
        except (OSError, ValueError, RecursionError) as error:
            raise CorruptModelFile(f"{path} cannot be read ({error!s:.100}); save the adapter again.") from None
        if not isinstance(fields, dict):
            raise CorruptModelFile(f"{path} is no JSON object; save the adapter again.")
        if fields.get("peft_type") != "LORA":
            raise UnsupportedModel(f"{source} is an adapter of another kind; sevenb applies plain LoRA only.")
        for name in ("use_dora", "fan_in_fan_out", "lora_bias", "modules_to_save", "layer_replication"):
            if fields.get(name):
                _unsupported(source, name, fields[name])
        if fields.get("bias") not in (None, "none"):
            _unsupported(source, "bias", fields["bias"])
        beginning = fields.get("init_lora_weights")
        if isinstance(beginning, str) and beginning.lower().startswith(_CHANGED_BASE):
            _unsupported(source, "init_lora_weights", beginning)
        pattern = fields.get("alpha_pattern") or {}
        numbers = [fields.get("lora_alpha"), *(pattern.values() if isinstance(pattern, dict) else [None])]
        if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
            raise CorruptModelFile(f"{path} has an lora_alpha or alpha_pattern of no numbers; save the adapter again.")
        return cls(source, fields["lora_alpha"], fields.get("use_rslora") is True, pattern)

    def scale(self, module: str, shrink: RawTensor) -> float:
        """What the pair of a module is multiplied by; rank-stabilised LoRA is arXiv 2312.03732."""
        rank = max(1, *shrink.shape[:1])
        return self._alpha(module) / (math.sqrt(rank) if self.rank_stabilised else rank)

    def _alpha(self, module: str) -> float:
        """That of the first pattern that the module's name ends with."""
        for pattern, alpha in self.alpha_pattern.items():
            try:
                if re.fullmatch(rf"(?:.*\.)?(?:{pattern})", module):
                    return alpha
            except re.error:
                raise CorruptModelFile(
                    f"alpha_pattern of {self.source} has {quoted(pattern)}, no regular expression; save it again."
                ) from None
        return self.alpha


def _unsupported(source: str, field: str, value: Any) -> NoReturn:
    raise UnsupportedModel(
        f"The adapter {source} has {field} {value!r:.60}, which sevenb does not apply; train it as plain LoRA."
    )


def _gguf_name(module: str) -> str:
    """``model.layers.3.mlp.up_proj`` is ``blk.3.ffn_up``; a name that GGUF has no other for stays."""
    parts = _PEFT_MODULE.fullmatch(module)
    if parts is None or parts["part"] not in LAYER_MATRICES:
        return module
    return f"blk.{int(parts['layer'])}.{LAYER_MATRICES[parts['part']]}"


def _as_in_gguf(name: str, expand: RawTensor, model: ModelConfig) -> RawTensor:
    """With its rows in GGUF's order, which brings channels of Q and K that turn together side by side."""
    heads = {"attn_q": model.heads, "attn_k": model.kv_heads}.get(name.rpartition(".")[2])
    if heads is None or not model.rope.interleaved or len(expand.shape) != 2 or expand.rows % (2 * heads):
        return expand
    rows = expand.data.reshape(heads, 2, expand.rows // heads // 2, -1)
    return replace(expand, stored=rows.swapaxes(1, 2).reshape(-1))


# -- both ----------------------------------------------------------------------------------------------


def _paired(
    source: str, shrinks: Mapping[str, RawTensor], expands: Mapping[str, RawTensor]
) -> dict[str, tuple[RawTensor, RawTensor]]:
    if odd := shrinks.keys() ^ expands.keys():
        raise CorruptModelFile(
            f"The adapter {source} has one matrix of a pair for {quoted(min(odd))}; save or download it again."
        )
    return {name: (shrink, expands[name]) for name, shrink in shrinks.items()}
