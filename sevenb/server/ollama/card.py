"""What Ollama tells of a model that need not be loaded: the header of its file, in Ollama's words."""

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sevenb.errors import SevenbError
from sevenb.model.store import Store, size_and_time

if TYPE_CHECKING:
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.embedding import EmbeddingStyle

_SHORT = 5  # longer lists are told only to those who ask for everything
_LEFT_OUT = ("general.name", "tokenizer.chat_template")  # as Ollama does: one is no name, the other is told elsewhere
_MODEL_FILES = (".json", ".jinja", ".safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")

# Editors look for this in a template to see whether a model can fill in.
_FILLS_IN = "{# Fills in what stands between .Prompt and .Suffix. #}\n"


@dataclass(frozen=True)
class Tensor:
    """One weight as it lies in the file."""

    name: str
    type: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelCard:
    """A model's file or folder. ``architecture`` is "" where none can be read; ``modified_at`` is Unix time."""

    architecture: str = ""
    parameter_size: str = ""
    quantization: str = ""
    context_length: int = 0
    license: str = ""
    size: int = 0
    modified_at: float = 0.0
    digest: str = ""
    format: str = "gguf"


@dataclass(frozen=True)
class ModelFacts:
    """More about a model, which takes longer to find out."""

    capabilities: Sequence[str] = ("completion",)
    template: str = ""
    metadata: dict[str, Any] | None = None
    tensors: Sequence[Tensor] = ()


def model_card(root: str) -> ModelCard:
    """The card of a file or stored model; one without facts for what cannot be read."""
    try:
        path = Store().resolve(root)
        return _card(path.resolve(), *size_and_time(path))
    except (SevenbError, OSError):
        return ModelCard(digest=_sha256(root))


def model_facts(root: str, *, verbose: bool = False) -> ModelFacts:
    """The facts of a file or stored model; none for what cannot be read. With ``verbose`` lists are whole."""
    try:
        path = Store().resolve(root)
        return (_facts.__wrapped__ if verbose else _facts)(path.resolve(), size_and_time(path)[1], verbose)
    except (SevenbError, OSError):
        return ModelFacts()


@lru_cache(64)
def _card(path: Path, size: int, modified_ns: int) -> ModelCard:
    from sevenb.model.checkpoint import Checkpoint

    with Checkpoint.open(path) as checkpoint:
        config = checkpoint.config
        return ModelCard(
            architecture=config.architecture,
            parameter_size=_count_text(_parameters(checkpoint)),
            quantization=config.quantization,
            context_length=config.context_length,
            license=str(checkpoint.metadata.get("general.license", "")),
            size=max(size, checkpoint.total_bytes),
            modified_at=modified_ns / 1e9,
            digest=_digest(path) or _sha256(f"{path} {size} {modified_ns}"),
            format="safetensors" if path.is_dir() else "gguf",
        )


@lru_cache(64)
def _facts(path: Path, _modified_ns: int, verbose: bool) -> ModelFacts:
    from sevenb.model.checkpoint import Checkpoint
    from sevenb.model.embedding import EmbeddingStyle
    from sevenb.model.fim import FimTokens
    from sevenb.model.tokenizer import Tokenizer

    with Checkpoint.open(path) as checkpoint:
        metadata = checkpoint.metadata
        tokenizer = Tokenizer.from_metadata(metadata)
        template = str(metadata.get("tokenizer.chat_template", ""))
        style = EmbeddingStyle.from_metadata(metadata, tokenizer)
        fills_in = FimTokens.of(tokenizer) is not None
        tensors = checkpoint.tensors.values() if verbose else ()
        told = {name: _plain(value, verbose) for name, value in metadata.items() if name not in _LEFT_OUT}
        return ModelFacts(
            capabilities=_capabilities(style, chats=bool(template), fills_in=fills_in),
            template=(_FILLS_IN if fills_in else "") + template,
            metadata=told | {"general.parameter_count": _parameters(checkpoint)},
            tensors=[Tensor(tensor.name, tensor.quant_type.name, tensor.shape) for tensor in tensors],
        )


def _parameters(checkpoint: "Checkpoint") -> int:
    """How many weights there are; an embedding that is the output head as well counts once."""
    from sevenb.model.weight_table import head_repeats_embedding

    repeated = head_repeats_embedding(checkpoint.tensors)
    return checkpoint.config.parameters - (math.prod(checkpoint.tensors["output.weight"].shape) if repeated else 0)


def _digest(path: Path) -> str | None:
    """The hash of a model of the store, whose files are called by theirs; None for one whose content nobody read."""
    if not path.is_dir():
        return path.name if _SHA256.fullmatch(path.name) else None
    files = {file.name: file.resolve().name for file in path.iterdir() if file.suffix in _MODEL_FILES}
    files.pop("manifest.json", None)
    if not files or not all(map(_SHA256.fullmatch, files.values())):
        return None
    return _sha256("\n".join(f"{name} {sha256}" for name, sha256 in sorted(files.items())))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _capabilities(style: "EmbeddingStyle", *, chats: bool, fills_in: bool) -> list[str]:
    if style.trained or style.reranker:
        return ["embedding"]
    return ["completion", *(["tools"] if chats else []), *(["insert"] if fills_in else [])]


def _plain(value: Any, verbose: bool) -> Any:
    """A metadata value as JSON has it; [] for a long list unless ``verbose``."""
    if isinstance(value, str | bool | int):
        return value
    if isinstance(value, float | np.generic):
        number = value.item() if isinstance(value, np.generic) else value
        return number if not isinstance(number, float) or math.isfinite(number) else None
    if len(value) > _SHORT and not verbose:
        return []
    return [_plain(item, verbose) for item in value]


def _count_text(count: int) -> str:
    """A number of weights as Ollama writes it: ``494.03M``, ``7.6B``."""
    if count >= 1e9:
        return f"{count / 1e9:.1f}B"
    return f"{count / 1e6:.2f}M" if count >= 1e6 else f"{count / 1e3:.2f}K"
