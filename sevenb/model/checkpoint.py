"""`Checkpoint`: a model's configuration, metadata and weights, whatever kind of file they come from."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sevenb.backend.quant_types import RawTensor
from sevenb.errors import StorageDenied
from sevenb.model.config import ModelConfig
from sevenb.model.config_from_gguf import config_from_gguf
from sevenb.model.gguf import GGUFFile
from sevenb.model.hf.folder import ModelFolder


class ModelFiles(Protocol):
    """The files of one model, opened."""

    @property
    def metadata(self) -> Mapping[str, object]:
        """What they say besides the weights, in GGUF's keys."""
        ...

    @property
    def tensors(self) -> Mapping[str, RawTensor]:
        """The weights, under GGUF's names."""
        ...

    def read_ahead(self) -> None:
        """Begin to read all weights from the disk, in the background."""
        ...

    def release(self, tensor: RawTensor) -> None:
        """Let go of a tensor's bytes."""
        ...


class Checkpoint:
    """One model, opened but not loaded: everything the decoder and the tokenizer are built from.

    ``tensors`` carry GGUF's names and hold what the decoder of ``config`` asks for, in the right shapes. They are views
    of the files, read from the disk when they are touched, or made of such views. ``total_bytes`` is what they take
    together.
    """

    def __init__(self, name: str, config: ModelConfig, files: ModelFiles) -> None:
        self.name = name
        self.config = config
        self.metadata: Mapping[str, object] = files.metadata
        self.tensors: Mapping[str, RawTensor] = files.tensors
        self.total_bytes = sum(tensor.nbytes for tensor in files.tensors.values())
        self._files: ModelFiles | None = files

    @classmethod
    def open(cls, path: Path) -> "Checkpoint":
        """Open a ``.gguf`` file, a split model by any of its parts, or the folder of a Hugging Face model.

        Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`; costs some 10 ms for a file
        and 200 ms for a folder, whose tokenizer is JSON.
        """
        try:
            is_folder = path.is_dir()
        except OSError as error:
            raise StorageDenied(f"{path} cannot be read ({error}); check its permissions.") from None
        if is_folder:
            folder = ModelFolder.open(path)
            return cls(folder.name, folder.config, folder)
        file = GGUFFile.open(path)
        config = config_from_gguf(file.metadata, file.tensors, source=path.name)
        return cls(path.stem, config, file)

    def read_ahead(self) -> None:
        """Say that all weights will be wanted soon: the disk begins to read them, in the background."""
        if self._files is not None:
            self._files.read_ahead()

    def release(self, tensor: RawTensor) -> None:
        """Say that a tensor's bytes will not be wanted again, so that they no longer take memory of this process."""
        if self._files is not None:
            self._files.release(tensor)

    def close(self) -> None:
        """Let go of the file. Its mapping ends with the last view of it that somebody else still holds."""
        self.metadata = {}
        self.tensors = {}
        self._files = None

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
