"""`Checkpoint`: a model's configuration, metadata and weights, whatever kind of file they come from."""

from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from sevenb.backend.quant_types import RawTensor
from sevenb.model.config import ModelConfig
from sevenb.model.config_from_gguf import config_from_gguf
from sevenb.model.gguf import GGUFFile


class Checkpoint:
    """One model, opened but not loaded: everything the decoder and the tokenizer are built from.

    ``tensors`` carry GGUF's names and hold what the decoder of ``config`` asks for, in the right shapes. They are views
    of the file, read from the disk when they are touched. ``total_bytes`` is what they take together.
    """

    def __init__(self, name: str, config: ModelConfig, file: GGUFFile) -> None:
        self.name = name
        self.config = config
        self.metadata: Mapping[str, object] = file.metadata
        self.tensors: Mapping[str, RawTensor] = file.tensors
        self.total_bytes = sum(tensor.nbytes for tensor in file.tensors.values())
        self._file: GGUFFile | None = file

    @classmethod
    def open(cls, path: Path) -> "Checkpoint":
        """Open a ``.gguf`` file, or a split model by any of its parts.

        Raises `CorruptModelFile`, `UnsupportedModel`, `ModelNotFound` or `StorageDenied`; costs some 10 ms.
        """
        file = GGUFFile.open(path)
        config = config_from_gguf(file.metadata, file.tensors, source=path.name)
        return cls(path.stem, config, file)

    def read_ahead(self) -> None:
        """Say that all weights will be wanted soon: the disk begins to read them, in the background."""
        if self._file is not None:
            self._file.read_ahead()

    def release(self, tensor: RawTensor) -> None:
        """Say that a tensor's bytes will not be wanted again, so that they no longer take memory of this process."""
        if self._file is not None:
            self._file.release(tensor)

    def close(self) -> None:
        """Let go of the file. Its mapping ends with the last view of it that somebody else still holds."""
        self.metadata = {}
        self.tensors = {}
        self._file = None

    def __enter__(self) -> "Checkpoint":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
