"""The safetensors files of a model folder, one or several shards, as one table of tensors."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sevenb.errors import ModelNotFound, UnsupportedModel
from sevenb.model.gguf_header import quoted
from sevenb.model.hf.sidecars import LARGEST_INDEX, corrupt, read_object, shown
from sevenb.model.safetensors import SafetensorsEntry, SafetensorsFile

WHOLE = "model.safetensors"
INDEX = "model.safetensors.index.json"
SHARD_NAME = re.compile(r"(?P<stem>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.safetensors")
_FORMATS_OF_PYTORCH = ("*.bin", "*.pt", "*.pth")


@dataclass(frozen=True)
class WeightFiles:
    """``entries`` by the hub's names of tensors; ``files`` are in order."""

    entries: Mapping[str, SafetensorsEntry]
    files: tuple[SafetensorsFile, ...] = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> "WeightFiles":
        """Read the headers of the one file, or of all shards that the index names.

        As in transformers, a whole file goes before an index, which may be left from what it was made of. Raises
        `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`.
        """
        index = None if (folder / WHOLE).exists() else read_object(folder / INDEX, LARGEST_INDEX)
        if index is not None:
            return cls._indexed(folder, _weight_map(folder, index))
        files = tuple(SafetensorsFile.open(path) for path in _unindexed(folder))
        entries: dict[str, SafetensorsEntry] = {}
        for file in files:
            if twice := entries.keys() & file.entries.keys():
                corrupt(folder.name, f"two of its files hold the tensor {quoted(min(twice))}")
            entries.update(file.entries)
        return cls(entries, files)

    @classmethod
    def _indexed(cls, folder: Path, weight_map: Mapping[str, str]) -> "WeightFiles":
        names = sorted(set(weight_map.values()))
        for name in names:
            if not (folder / name).exists():
                raise ModelNotFound(
                    f"{folder.name} lacks {name}, one of the {len(names)} files that {INDEX} names; put it there or "
                    "download the model again."
                )
        shards = {name: SafetensorsFile.open(folder / name) for name in names}
        entries: dict[str, SafetensorsEntry] = {}
        for tensor, name in weight_map.items():
            entry = shards[name].entries.get(tensor)
            if entry is None:
                corrupt(folder.name, f"{INDEX} says that {name} holds the tensor {quoted(tensor)}, which it does not")
            entries[tensor] = entry
        return cls(entries, tuple(shards.values()))


def weight_paths(names: Sequence[str]) -> list[str]:
    """Of a folder's file names those that hold its weights where no index says so: one file, or all shards of one.

    Empty where there are none, or where nobody can tell which are meant.
    """
    found = [name for name in names if name.endswith(".safetensors") and not name.startswith("consolidated")]
    if WHOLE in found:
        return [WHOLE]
    stems = {parts["stem"] if (parts := SHARD_NAME.fullmatch(name)) else name for name in found}
    return sorted(found) if len(stems) == 1 else []


def _weight_map(folder: Path, index: Mapping[str, Any]) -> dict[str, str]:
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        corrupt(folder.name, f"{INDEX} has no weight_map")
    for name in weight_map.values():
        # A hostile index may name files anywhere on this machine.
        if not isinstance(name, str) or not re.fullmatch(r"[\w.-]+\.safetensors", name):
            corrupt(folder.name, f"{INDEX} names {shown(name)}, which is no safetensors file in this folder")
    return weight_map


def _unindexed(folder: Path) -> list[Path]:
    names = weight_paths(sorted(path.name for path in folder.glob("*.safetensors")))
    if not names:
        if any(folder.glob("*.safetensors")):
            corrupt(folder.name, f"it has several safetensors files and no {INDEX} to say which belong together")
        if any(next(folder.glob(pattern), None) for pattern in _FORMATS_OF_PYTORCH):
            raise UnsupportedModel(
                f"{folder.name} holds its weights in PyTorch's format, which may run code when it is read; save them "
                "as safetensors or choose a repository that has them."
            )
        raise ModelNotFound(f"{folder} holds no .safetensors file; put the model's weights there.")
    if (parts := SHARD_NAME.fullmatch(names[0])) is not None:
        count = int(parts["count"])
        for number in range(1, count + 1):
            name = f"{parts['stem']}-{number:05}-of-{count:05}.safetensors"
            if name not in names:
                raise ModelNotFound(f"{folder.name} lacks {name}; put it there or download the model again.")
    return [folder / name for name in names]
