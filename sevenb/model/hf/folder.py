"""`ModelFolder`: a Hugging Face folder, read as far as it can be without touching its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sevenb.backend.quant_types import RawTensor
from sevenb.errors import ModelNotFound
from sevenb.model.config import ModelConfig
from sevenb.model.hf.config_from_hf import architecture_of, config_from_hf
from sevenb.model.hf.metadata import folder_metadata
from sevenb.model.hf.paths import plain_path, repository_of_snapshot
from sevenb.model.hf.quantization_config import quantization_of
from sevenb.model.hf.sidecars import read_object
from sevenb.model.hf.tensors import Parts, canonical_tensors
from sevenb.model.hf.weight_files import WeightFiles

CONFIG = "config.json"
QUANTIZATION_FILES = ("quantize_config.json", "quant_config.json")  # AutoGPTQ's and AutoAWQ's, before transformers' own
_NUMBERS = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}


@dataclass(frozen=True)
class ModelFolder:
    """What `Checkpoint` makes a model of; ``metadata`` has GGUF's keys."""

    path: Path
    name: str
    config: ModelConfig
    metadata: Mapping[str, object] = field(repr=False)
    tensors: Mapping[str, RawTensor] = field(repr=False)
    _files: WeightFiles = field(repr=False)
    _parts: Mapping[str, Parts] = field(repr=False)

    @classmethod
    def open(cls, path: Path) -> "ModelFolder":
        """Read the small files and the headers of the large ones.

        Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`.
        """
        path = plain_path(path)
        name = folder_name(path)
        config = read_object(path / CONFIG)
        if config is None:
            raise ModelNotFound(f"{path} has no {CONFIG}; name a .gguf file, or the folder of a Hugging Face model.")
        architecture_of(config, name)  # before anything that would only be harder to understand
        further = next((found for file in QUANTIZATION_FILES if (found := read_object(path / file)) is not None), None)
        quantization = quantization_of(config, further, name)
        files = WeightFiles.open(path)
        tensors, parts = canonical_tensors(files.entries, config, quantization, name)
        # A copy that was turned back into plain numbers may still have the configuration.
        in_integers = any(name.endswith(".qweight") for name in files.entries)
        label = quantization.label if quantization is not None and in_integers else None
        model = config_from_hf(config, tensors, label, name=name, source=name)
        return cls(path, name, model, folder_metadata(path, config, model), tensors, files, parts)

    def read_ahead(self) -> None:
        """Begin to read all of it from the disk, in the background."""
        for file in self._files.files:
            file.file.read_ahead()

    def release(self, tensor: RawTensor) -> None:
        """Let go of the bytes that a tensor is made of."""
        for part in self._parts.get(tensor.name, ()):
            for file in self._files.files:
                if (start := file.file.offset_of(part.data)) is not None:
                    file.file.release(start, part.data.nbytes)


def check_config(path: Path, source: str) -> None:
    """Raise for a ``config.json``, whatever it is called here, that describes no model we could run."""
    config = read_object(path, source=source) or {}
    architecture_of(config, source)
    quantization_of(config, None, source)


def stated_numbers(path: Path, source: str) -> str:
    """What a ``config.json``, whatever it is called here, says of the weights: ``AWQ``, ``GPTQ-Int4``, ``BF16``."""
    config = read_object(path, source=source) or {}
    quantization = quantization_of(config, None, source)
    stated = str(config.get("torch_dtype") or config.get("dtype"))
    return _NUMBERS.get(stated, "") if quantization is None else quantization.label


def is_model_folder(path: Path) -> bool:
    """Whether a path is a folder as Hugging Face has them, sound or not. Raises OSError where that cannot be told."""
    config = path / CONFIG
    return config.is_symlink() or config.exists()  # a link that leads nowhere is told by whoever opens it


def folder_name(path: Path) -> str:
    """What a folder's model is called: as the folder, or as the repository in the store and in the hub's own cache."""
    path = plain_path(path)
    name = (repository_of_snapshot(path) or path.name.rpartition("--")[2]).rpartition("/")[2]
    return "".join(filter(str.isprintable, name))[:200]
